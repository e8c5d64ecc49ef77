"""Copy an image from any reader to any sink: blobs first and each once, several at a time; then manifests, children before
parents; names last. The places are known only by their ports, so push, pull, copy and export are this one recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ocibuild.errors import RegistryError
from ocibuild.events import Advanced, Emit, Finished, Noted, Stage, Started
from ocibuild.graph import Node
from ocibuild.oci.blobs import BlobSource, ImageReader, ImageSink, Outcome
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import Manifest
from ocibuild.oci.media_type import is_foreign
from ocibuild.oci.reference import Reference
from ocibuild.threads import on_threads

_BLOB_UNKNOWN = {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"}  # distribution-spec, error codes 1 and 4


@dataclass(frozen=True, slots=True)
class Transferred:
    """What became of each blob of an image."""

    outcomes: tuple[tuple[Descriptor, Outcome], ...]

    @property
    def sent_bytes(self) -> int:
        """The number of bytes that had to travel."""
        return sum(descriptor.size for descriptor, outcome in self.outcomes if outcome is Outcome.SENT)


@dataclass(frozen=True, slots=True)
class Manner:
    """How blobs travel: `jobs` at once, with progress to `emit` under these titles (default: digests) and this stage.

    A registry is sent to and counts the bytes that go out itself; a place on disk fetches. `image` is the one that travels,
    where progress has to tell it from others.
    """

    jobs: int
    emit: Emit
    stage: Stage = Stage.SEND
    titles: Mapping[Digest, str] = field(default_factory=dict)
    image: Reference | None = None

    def title(self, descriptor: Descriptor) -> str:
        title = self.titles.get(descriptor.digest, descriptor.digest.short)
        return f"{self.image.short} {title}" if self.image else title

    def title_of_name(self, name: str) -> str:
        return self.image.with_tag(name).short if self.image else name


def transfer(root: Node, reader: ImageReader, sink: ImageSink, names: Sequence[str], manner: Manner) -> Transferred:
    """Make `sink` hold all of `root`, then let `names` point to it.

    Non-distributable layers are left where they are (image-spec layer.md: they SHOULD NOT be uploaded). The first failure
    or an interrupt stops what has not begun; no manifest is put before every blob is in place.
    """
    for digest in dict.fromkeys(layer.digest for _, layer in foreign_layers(root)):
        manner.emit(Noted(f"layer {digest.short} is not distributable: it stays where its URLs point"))
    outcomes = put_blobs(blobs_of(root), reader, sink, manner)
    for node in {node.descriptor.digest: node for node in root.walk()}.values():
        _put_manifest(node, reader, sink, manner)
    put_names(root, sink, names, manner)
    return Transferred(outcomes)


def put_names(root: Node, sink: ImageSink, names: Sequence[str], manner: Manner) -> None:
    """Let `names` point to `root`, which `sink` holds."""
    for name in names:
        title = manner.title_of_name(name)
        task = f"tag {title}"
        manner.emit(Started(task, Stage.TAG, title))
        outcome = sink.tag(root.descriptor, root.document.raw, name)
        manner.emit(Finished(task, "unchanged" if outcome is Outcome.EXISTS else "tagged"))


def blobs_of(root: Node) -> list[Descriptor]:
    """Every blob that has to travel with `root`, each digest once: layers in order, then configs."""
    manifests = [manifest for _, manifest in root.manifests()]
    layers = [layer for manifest in manifests for layer in manifest.layers if not is_foreign(layer.media_type)]
    configs = [manifest.config for manifest in manifests]
    return list({descriptor.digest: descriptor for descriptor in layers + configs}.values())


def foreign_layers(root: Node) -> Iterator[tuple[Manifest, Descriptor]]:
    """The layers that stay behind."""
    for _, manifest in root.manifests():
        for layer in manifest.layers:
            if is_foreign(layer.media_type):
                yield manifest, layer


def put_blobs(
    blobs: Sequence[Descriptor], reader: ImageReader, sink: ImageSink, manner: Manner
) -> tuple[tuple[Descriptor, Outcome], ...]:
    """Make `sink` hold all `blobs`, and say what became of each."""
    # The largest first: the last thread to finish then has little left to do.
    ordered = sorted(blobs, key=lambda descriptor: -descriptor.size)
    outcomes = on_threads(
        lambda blob: put_blob(_on_offer(blob, reader), sink, manner), ordered, manner.jobs, name="send"
    )
    return tuple(zip(ordered, outcomes, strict=True))


def put_blob(source: BlobSource, sink: ImageSink, manner: Manner) -> Outcome:
    """Make `sink` hold a blob, with progress."""
    descriptor, task = source.descriptor, str(source.descriptor.digest)
    manner.emit(Started(task, manner.stage, manner.title(descriptor), descriptor.size))
    if manner.stage is Stage.FETCH:
        source = replace(source, open=partial(_counted, source.open, task, manner.emit))
    try:
        outcome = sink.put_blob(source)
    except BaseException:
        manner.emit(Finished(task, "failed"))
        raise
    done = "fetched" if manner.stage is Stage.FETCH and outcome is Outcome.SENT else outcome.value
    manner.emit(Finished(task, done, descriptor.size))
    return outcome


def _on_offer(descriptor: Descriptor, reader: ImageReader) -> BlobSource:
    return BlobSource(descriptor, partial(reader.open_blob, descriptor), reader.blob_origins(descriptor))


def _counted(opener: Callable[[], Iterator[bytes]], task: str, emit: Emit) -> Iterator[bytes]:
    """The bytes of a blob, with progress; a registry that is sent to counts what goes out itself."""
    for chunk in opener():
        emit(Advanced(task, len(chunk)))
        yield chunk


def _put_manifest(node: Node, reader: ImageReader, sink: ImageSink, manner: Manner) -> None:
    task = str(node.descriptor.digest)
    manner.emit(Started(task, Stage.MANIFEST, manner.title(node.descriptor), node.descriptor.size))
    try:
        outcome = _put_or_put_again(node, reader, sink, manner)
    except BaseException:
        manner.emit(Finished(task, "failed"))
        raise
    manner.emit(Finished(task, outcome.value, node.descriptor.size))


def _put_or_put_again(node: Node, reader: ImageReader, sink: ImageSink, manner: Manner) -> Outcome:
    try:
        return sink.put_manifest(node.descriptor, node.document.raw)
    except RegistryError as error:
        if not _BLOB_UNKNOWN & set(error.codes) or not isinstance(node.document, Manifest):
            raise
        _put_again(node, reader, sink, manner)
        return sink.put_manifest(node.descriptor, node.document.raw)


def _put_again(node: Node, reader: ImageReader, sink: ImageSink, manner: Manner) -> None:
    """Send the blobs of a manifest once more: a registry collected them as garbage, after it had said that it holds them
    (korifi#2381)."""
    manner.emit(
        Noted(f"the registry has lost blobs of {node.descriptor.digest.short}: they are sent again", warning=True)
    )
    for blob in blobs_of(node):
        put_blob(replace(_on_offer(blob, reader), is_lost=True), sink, manner)
