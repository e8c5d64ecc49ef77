"""What one build of a layer leaves for the next: its fingerprint, its descriptor, and where each packed segment lies in its blob.

A record is believed as far as it can be checked: an unchanged fingerprint gives the whole layer, an equal hash of a segment gives
its packed bytes, whose checksum is compared. Whatever is missing or damaged is made again.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ocibuild.layers.survey import layer_identity
from ocibuild.oci.blobs import BuildCache, PackedBlob
from ocibuild.oci.compression import Buffer, Compressor, checksum
from ocibuild.oci.descriptor import Descriptor, descriptor_from_json
from ocibuild.oci.digest import Digest, fast_hash, parse_digest
from ocibuild.oci.fields import text_in
from ocibuild.oci.media_type import Compression
from ocibuild.plan import FilesLayer

_FORMAT = 2
_ROW = struct.Struct(">32sQII")  # hash of the plain segment; offset, length and checksum of the packed one


class Stretch(NamedTuple):
    """Where a packed segment lies in its blob, and its checksum."""

    offset: int
    length: int
    checksum: int


class PackedSegment(NamedTuple):
    """A segment before and after, with the hash of the one and the checksum of the other where these are wanted."""

    plain: Buffer
    packed: Buffer
    key: bytes = b""
    checksum: int = 0


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A layer as it was built, by a compressor with this fingerprint (empty: it was taken over from an image, packed by whatever).
    `fingerprint` is that of its sources, empty where they were too young to be believed."""

    fingerprint: str
    compressor: str
    descriptor: Descriptor
    diff_id: Digest
    stretches: Mapping[bytes, Stretch]


def encode_record(record: LayerRecord) -> bytes:
    """A line of JSON, then the rows of the table of segments."""
    head = {
        "format": _FORMAT,
        "fingerprint": record.fingerprint,
        "compressor": record.compressor,
        "mediaType": record.descriptor.media_type,
        "digest": str(record.descriptor.digest),
        "size": record.descriptor.size,
        "diffId": str(record.diff_id),
    }
    rows = b"".join(_ROW.pack(key, *stretch) for key, stretch in record.stretches.items())
    return json.dumps(head).encode() + b"\n" + rows


def decode_record(raw: bytes | None) -> LayerRecord | None:
    """The record, None for bytes that are none (an older format, say)."""
    try:
        head, _, table = (raw or b"").partition(b"\n")
        facts = json.loads(head)
        if facts["format"] != _FORMAT:
            return None
        described = {name: facts[name] for name in ("mediaType", "digest", "size")}
        descriptor = descriptor_from_json(described, subject="a record")
        rows = {key: Stretch(*stretch) for key, *stretch in _ROW.iter_unpack(table)}
        if any(row.offset + row.length > descriptor.size for row in rows.values()):
            return None
        return LayerRecord(
            fingerprint=text_in(facts, "fingerprint", subject="a record") or "",
            compressor=text_in(facts, "compressor", subject="a record") or "",
            descriptor=descriptor,
            diff_id=parse_digest(facts["diffId"]),
            stretches=rows,
        )
    except Exception:  # noqa: BLE001 - the cache may hold anything, and nothing in it is worth an error
        return None


def record_key(layer: FilesLayer) -> str:
    """Where the record of exactly this plan is kept."""
    return hashlib.sha256(layer_identity(layer)).hexdigest()


def slot_key(layer: FilesLayer) -> str:
    """Where the key of the last record of any layer of this name and place is kept: a plan that changed has use for it too."""
    slot = repr((str(layer.context), layer.name, _FORMAT))
    return hashlib.sha256(slot.encode("utf-8", "surrogateescape")).hexdigest()


class Recollection(NamedTuple):
    """What is remembered of a layer: the record of exactly this plan, and that of the last one in its place."""

    exact: LayerRecord | None = None
    last: LayerRecord | None = None


def recollect(layer: FilesLayer, cache: BuildCache) -> Recollection:
    """What earlier builds of a layer left."""
    exact = decode_record(cache.recall(record_key(layer)))
    if exact is not None:
        return Recollection(exact, exact)
    pointer = cache.recall(slot_key(layer)) or b""
    return Recollection(None, decode_record(cache.recall(pointer.decode("ascii", "replace"))) if pointer else None)


def remember(layer: FilesLayer, record: LayerRecord, cache: BuildCache) -> None:
    """Leave a record for the next build."""
    key = record_key(layer)
    cache.remember(key, encode_record(record), record.descriptor.digest)
    cache.remember(slot_key(layer), key.encode("ascii"), record.descriptor.digest)


class SegmentPacker:
    """Packs segments, and takes over from an earlier blob what that has of them. Used by many threads.

    Without `keys`, nothing is looked up and nothing can be remembered.
    """

    def __init__(
        self,
        compressor: Compressor,
        *,
        keys: bool = False,
        known: Mapping[bytes, Stretch] | None = None,
        blob: PackedBlob | None = None,
    ) -> None:
        self._compressor = compressor
        self._known = known or {}
        self._blob = blob
        self.compresses = compressor.compression is not Compression.NONE
        self.keys = keys and self.compresses

    def __call__(self, load: Callable[[], Buffer]) -> PackedSegment:
        """Pack the segment that `load` gives. It raises SourceError if a file is not any more what the walk saw."""
        plain = load()
        if not self.keys:
            return PackedSegment(plain, self._compressor.pack(plain))
        key = fast_hash(plain)
        packed = self._known_bytes(key) or self._compressor.pack(plain)
        return PackedSegment(plain, packed, key, checksum(packed))

    def _known_bytes(self, key: bytes) -> bytes | None:
        stretch = self._known.get(key)
        if stretch is None or self._blob is None:
            return None
        packed = self._blob.read(stretch.offset, stretch.length)
        return packed if len(packed) == stretch.length and checksum(packed) == stretch.checksum else None
