"""The bytes of an image: whether they are there, and what their descriptors and configs promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from ocibuild.checks.layer_reading import LayerReading, Stop
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.findings import Place, Severity
from ocibuild.oci.codec import MANIFEST_LIMIT
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.media_type import Compression, compression_of, is_layer


class Harm(Enum):
    """What is wrong with bytes that a descriptor names."""

    MISSING = auto()
    DIFFERENT = auto()
    MALFORMED = auto()


@dataclass(frozen=True, slots=True)
class Damage:
    """A document or a blob that cannot be used, in the words of whoever wanted to read it."""

    harm: Harm
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class LayerUse:
    """A layer in its place in an image; `diff_id` is what the config promises that it unpacks to."""

    subject: str
    layer: Descriptor
    diff_id: Digest | None


@dataclass(frozen=True, slots=True)
class ContentUnderCheck:
    """What reading an image to its last byte has shown. `readings` are of the layers that could be read, by digest.

    `too_large` are the manifests that nobody reads, with their sizes.
    """

    name: str
    damages: tuple[Damage, ...]
    too_large: tuple[tuple[str, int], ...]
    uses: tuple[LayerUse, ...]
    readings: Mapping[Digest, LayerReading]

    @property
    def place(self) -> Place:
        return Place(self.name)

    def oversized(self) -> Iterator[tuple[str, int, int]]:
        """Manifests that are larger than is taken: what they are called, their size, and the limit."""
        for subject, size in self.too_large:
            yield subject, size, MANIFEST_LIMIT

    def stopped_by(self, reason: object) -> Iterator[str]:
        """The words of the readings that ended early for this reason."""
        for reading in self.readings.values():
            if reading.stopped is not None and reading.stopped[0] is reason:
                yield reading.stopped[1]


def _content_missing(content: ContentUnderCheck) -> Iterator[Fault]:
    """A manifest, a config or a layer that the image names is not there.

    Why: the image cannot be pulled, or not for the platform that needs it.
    Source: OCI image-spec, descriptor.md; OCI distribution-spec, "Pushing Manifests": a registry holds what manifests name.
    Mend: push or copy the image again; of an index, leave the platform out that is not there.
    """
    yield from _damages(content, Harm.MISSING, "copy or push the image again, as a whole")


def _content_mismatch(content: ContentUnderCheck) -> Iterator[Fault]:
    """The bytes of a document or a layer do not have the size or the digest that their descriptor promises.

    Why: they were damaged or exchanged, and clients that verify refuse them. Not all do: some registries take a wrong size.
    Source: OCI image-spec, descriptor.md, "Verification": size and digest of content from elsewhere are to be verified.
    Mend: get the image again from where it was whole, or build it again.
    """
    yield from _damages(content, Harm.DIFFERENT, "get the image again from where it was whole, or build it again")


def _document_malformed(content: ContentUnderCheck) -> Iterator[Fault]:
    """A manifest, an index or a config is not what its media type says: no strict JSON, or fields of another type.

    Why: readers take it for different things, or refuse it. A document that is a manifest and an index at once is an attack.
    Source: OCI image-spec, manifest.md, image-index.md, config.md and considerations.md; CVE-2021-41190.
    Mend: build the image again, with a current tool.
    """
    yield from _damages(content, Harm.MALFORMED, "build the image again, with a current tool")


def _damages(content: ContentUnderCheck, harm: Harm, hint: str) -> Iterator[Fault]:
    for damage in content.damages:
        if damage.harm is harm:
            yield Fault(damage.message, content.place, damage.hint or hint)


def _diff_id_mismatch(content: ContentUnderCheck) -> Iterator[Fault]:
    """A layer does not unpack to the diff_id that the config promises.

    Why: the files are not those that the image's ID stands for; containerd, podman and `crane validate` refuse it.
    Source: OCI image-spec, config.md, "Layer DiffID": the digest over the layer's uncompressed tar archive.
    Mend: build the image again; the config or the layer is from another build.
    """
    for use in content.uses:
        reading = content.readings.get(use.layer.digest)
        if reading is not None and reading.diff_ids and use.diff_id not in (None, *reading.diff_ids):
            found = next(iter(reading.diff_ids))
            message = f"{use.subject} unpacks to {found}, and the config promises {use.diff_id}"
            yield Fault(message, content.place, "build the image again")


def _compression_mismatch(content: ContentUnderCheck) -> Iterator[Fault]:
    """A layer is packed in another way than its media type says.

    Why: umoci and older clients unpack by the media type, and fail.
    Source: OCI image-spec, media-types.md, "Layer Media Types".
    Mend: build the image again; or give the layer the media type of what it is.
    """
    for use in content.uses:
        reading = content.readings.get(use.layer.digest) if is_layer(use.layer.media_type) else None
        if reading is not None and compression_of(use.layer.media_type) is not reading.compression:
            packed = reading.compression is not Compression.NONE
            found = f"is packed with {reading.compression.value}" if packed else "is not packed at all"
            message = f"{use.subject} has the type {use.layer.media_type}, but {found}"
            yield Fault(message, content.place, "give it the media type of what it is")


def _layer_not_unpackable(content: ContentUnderCheck) -> Iterator[Fault]:
    """The compressed bytes of a layer are damaged, end too early, or are followed by others.

    Why: the layer cannot be unpacked, though its digest is right: it was damaged before it was pushed.
    Source: RFC 1952 (gzip) and RFC 8878 (zstd).
    Mend: build the layer again.
    """
    for message in content.stopped_by(Stop.PACKING):
        yield Fault(message, content.place, "build the layer again")


def _layer_bomb(content: ContentUnderCheck) -> Iterator[Fault]:
    """A layer unpacks to far more than it seems to hold: beyond 1 GiB, to more than 200 times its size, or to 128 GiB; or it
    has more than 1.5 million members. It was not read any further.

    Why: it fills the disk of every machine that pulls it. Some are no attack: a sparse file such as /var/log/lastlog, which
    grows with the highest user number, is packed with all of its holes.
    Source: moby/moby issue 5419 (lastlog); the limits are ours. What people ship is 2 to 5 times smaller than its files.
    Mend: leave the file of zeros out, or make it when the container starts.
    """
    for message in content.stopped_by(Stop.BOMB):
        yield Fault(message, content.place, "leave out the files of zeros, or make them when the container starts")


_CONTENT = (Scope.CONTENT,)
RULES: tuple[Rule[ContentUnderCheck], ...] = (
    Rule("content-missing", Severity.ERROR, "Something that is named is not there", _CONTENT, _content_missing),
    Rule("content-mismatch", Severity.ERROR, "Bytes are not what was promised", _CONTENT, _content_mismatch),
    Rule(
        "document-malformed", Severity.ERROR, "A document is not what it is said to be", _CONTENT, _document_malformed
    ),
    Rule("diff-id-mismatch", Severity.ERROR, "A layer is not what the config promises", _CONTENT, _diff_id_mismatch),
    Rule("compression-mismatch", Severity.ERROR, "A layer is packed in another way", _CONTENT, _compression_mismatch),
    Rule("layer-not-unpackable", Severity.ERROR, "A layer cannot be unpacked", _CONTENT, _layer_not_unpackable),
    Rule("layer-bomb", Severity.ERROR, "A layer unpacks to too much", _CONTENT, _layer_bomb),
)
