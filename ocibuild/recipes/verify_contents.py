"""An image read to its last byte: each document and each layer once, and what is wrong with them kept instead of raised."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ocibuild.checks.image_contents import ContentUnderCheck, Damage, Harm, LayerUse
from ocibuild.checks.image_subject import is_runnable, layer_title
from ocibuild.checks.layer_reading import LayerReading, read_layer
from ocibuild.errors import IntegrityError, NotFoundError, OcibuildError
from ocibuild.events import Emit
from ocibuild.graph import DEPTH_LIMIT, Node
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.codec import CONFIG_LIMIT, MANIFEST_LIMIT
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig, Index, Manifest, parse_config, parse_document
from ocibuild.oci.layer_limits import Limits
from ocibuild.oci.media_type import DOCKER_CONFIG, INDEXES, MANIFESTS, OCI_CONFIG, is_foreign, is_layer
from ocibuild.recipes.fetching import fetched
from ocibuild.threads import on_threads

Parsed = TypeVar("Parsed")


@dataclass(slots=True)
class Documents:
    """The documents of one image, as far as they can be read. `root` is None if not even the first one can be."""

    root: Node | None = None
    configs: dict[Digest, ImageConfig] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    oversized: list[tuple[str, int]] = field(default_factory=list)

    def layer_uses(self) -> Iterator[LayerUse]:
        """Every layer of every manifest, with the diff_id that the config has for it."""
        for node, manifest in self.root.manifests() if self.root else ():
            config = self.configs.get(manifest.config.digest)
            diff_ids = config.diff_ids if config is not None and is_runnable(node) else ()
            for number, layer in enumerate(manifest.layers, 1):
                diff_id = diff_ids[number - 1] if number <= len(diff_ids) else None
                yield LayerUse(layer_title(node, number, layer), layer, diff_id)


def read_documents(reader: ImageReader, top: Descriptor) -> Documents:
    """Read all manifests, indexes and configs at and below `top`."""
    reading = _Reading(reader)
    reading.found.root = reading.node(top, DEPTH_LIMIT)
    return reading.found


class _Reading:
    def __init__(self, reader: ImageReader) -> None:
        self._reader = reader
        self._known: dict[Descriptor, Node | None] = {}
        self._configs_read: set[Descriptor] = set()
        self.found = Documents()

    def node(self, descriptor: Descriptor, depth: int) -> Node | None:
        """The tree below a descriptor, without what cannot be read. Each document is read once."""
        key = blob_of(descriptor)
        if key not in self._known:
            self._known[key] = None  # a document cannot hold its own digest, but a damaged place may say so
            self._known[key] = self._node(descriptor, depth)
        known = self._known[key]
        return known and replace(known, descriptor=descriptor)

    def _node(self, descriptor: Descriptor, depth: int) -> Node | None:
        subject = f"manifest {descriptor.digest.short}"
        if descriptor.size > MANIFEST_LIMIT:
            self.found.oversized.append((subject, descriptor.size))
            return None
        raw = self._attempt(lambda: self._reader.read_manifest(descriptor))
        document = raw and self._parsed(lambda: parse_document(raw, descriptor.media_type, subject=subject))
        if isinstance(document, Manifest):
            self._read_config(document)
            return Node(descriptor, document)
        if not isinstance(document, Index):
            return None
        if depth == 0:
            self._note(Harm.MALFORMED, IntegrityError(f"indexes are nested more than {DEPTH_LIMIT} deep"))
            return Node(descriptor, document)
        children = (
            self.node(child, depth - 1) for child in document.manifests if child.media_type in INDEXES + MANIFESTS
        )
        return Node(descriptor, document, tuple(child for child in children if child is not None))

    def _read_config(self, manifest: Manifest) -> None:
        descriptor = manifest.config
        if blob_of(descriptor) in self._configs_read:
            return
        self._configs_read.add(blob_of(descriptor))
        subject = f"config {descriptor.digest.short}"
        if descriptor.size > CONFIG_LIMIT:
            what = f"{subject} has {descriptor.size:,} bytes; at most {CONFIG_LIMIT:,} are read"
            self._note(Harm.MALFORMED, IntegrityError(what))
            return
        raw = self._attempt(lambda: b"".join(self._reader.open_blob(descriptor)))
        if raw is not None and descriptor.media_type in (OCI_CONFIG, DOCKER_CONFIG):
            config = self._parsed(lambda: parse_config(raw, subject=subject))
            if config is not None:
                self.found.configs[descriptor.digest] = config

    def _attempt(self, read: Callable[[], bytes]) -> bytes | None:
        try:
            return read()
        except (NotFoundError, IntegrityError) as error:
            self.found.damages.append(damage_of(error))
            return None

    def _parsed(self, parse: Callable[[], Parsed]) -> Parsed | None:
        try:
            return parse()
        except IntegrityError as error:
            self._note(Harm.MALFORMED, error)
            return None

    def _note(self, harm: Harm, error: OcibuildError) -> None:
        self.found.damages.append(Damage(harm, error.what, error.hint))


def damage_of(error: NotFoundError | IntegrityError) -> Damage:
    """What an error that a place raised says of the bytes that it was asked for."""
    harm = Harm.MISSING if isinstance(error, NotFoundError) else Harm.DIFFERENT
    where = f" ({error.where})" if error.where else ""
    return Damage(harm, f"{error.what}{where}", error.hint)


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of several images, each blob read once: what its reading showed, or that it is damaged or not there."""

    found: Mapping[Descriptor, LayerReading | Damage | None]

    @property
    def count(self) -> int:
        """The number of layers that could be read."""
        return sum(1 for one in self.found.values() if isinstance(one, LayerReading))

    @property
    def read_bytes(self) -> int:
        """The size of all blobs that were asked for."""
        return sum(layer.size for layer in self.found)

    def content(self, name: str, documents: Documents) -> ContentUnderCheck:
        """What is known of one image, for the rules."""
        uses = tuple(documents.layer_uses())
        found = {blob: self.found.get(blob) for blob in (blob_of(use.layer) for use in uses)}
        return ContentUnderCheck(
            name,
            (*documents.damages, *(one for one in found.values() if isinstance(one, Damage))),
            tuple(documents.oversized),
            uses,
            {blob.digest: one for blob, one in found.items() if isinstance(one, LayerReading)},
        )


def read_layers(reader: ImageReader, uses: Iterable[LayerUse], *, jobs: int, limits: Limits, emit: Emit) -> Layers:
    """Read every layer that is distributed with its image, `jobs` at a time; of what is no file system, only the digest counts."""
    promised: dict[Descriptor, set[Digest]] = {}
    for use in uses:
        if not is_foreign(use.layer.media_type):
            promised.setdefault(blob_of(use.layer), set()).update([use.diff_id] if use.diff_id else [])

    def read(layer: Descriptor) -> LayerReading | Damage | None:
        return _read_layer(reader, layer, promised[layer], limits, emit)

    return Layers(dict(zip(promised, on_threads(read, promised, jobs, name="verify"), strict=True)))


def blob_of(layer: Descriptor) -> Descriptor:
    """What a descriptor says of the blob itself. Two that differ in this are both put to the test."""
    return Descriptor(layer.media_type, layer.digest, layer.size)


def _read_layer(
    reader: ImageReader, layer: Descriptor, promised: set[Digest], limits: Limits, emit: Emit
) -> LayerReading | Damage | None:
    try:
        with fetched(reader, layer, emit, outcome="verified") as chunks:
            if is_layer(layer.media_type):
                subject = f"layer {layer.digest.short}"
                return read_layer(chunks, layer.size, promised, subject=subject, limits=limits)
            deque(chunks, maxlen=0)
    except (NotFoundError, IntegrityError) as error:
        return damage_of(error)
    return None
