"""What one build of a layer leaves for the next: its fingerprint, its descriptor, and where each packed segment lies in its blob.

A record is believed as far as it can be checked: an unchanged fingerprint gives the whole layer; segments that are made of the same
files, or have an equal hash, give their packed bytes, whose checksum is compared. Whatever is missing or damaged is made again.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import NamedTuple

from ocibuild.layers.hashes import HASHES_SIZE
from ocibuild.layers.survey import layer_identity
from ocibuild.oci.blobs import BuildCache
from ocibuild.oci.descriptor import Descriptor, descriptor_from_json
from ocibuild.oci.digest import Digest, parse_digest
from ocibuild.oci.fields import text_in
from ocibuild.plan import FilesLayer

_FORMAT = 4
_ROW = struct.Struct(f">QII32s32s{HASHES_SIZE}s")  # the fields of a Stretch
_UNKNOWN, _NO_HASHES = bytes(32), bytes(HASHES_SIZE)


class Stretch(NamedTuple):
    """A segment in its blob: where it lies, its checksum, the hash of what it unpacks to (`key`), a hash of what it was made of
    (empty if its files were too young to be believed), and the state of the layer's hashes behind it (empty if there is none)."""

    offset: int
    length: int
    checksum: int
    key: bytes
    made_of: bytes = b""
    hashes: bytes = b""


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A layer as it was built, by a compressor with this fingerprint (empty: it was taken over from an image, packed by whatever).
    `fingerprint` is that of its sources, empty where they were too young to be believed."""

    fingerprint: str
    compressor: str
    descriptor: Descriptor
    diff_id: Digest
    stretches: tuple[Stretch, ...]  # in the order of the blob


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
    rows = b"".join(_ROW.pack(*row[:-2], row.made_of or _UNKNOWN, row.hashes or _NO_HASHES) for row in record.stretches)
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
        rows = tuple(_known(Stretch(*row)) for row in _ROW.iter_unpack(table))
        if any(row.offset + row.length > descriptor.size for row in rows):
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


def _known(row: Stretch) -> Stretch:
    """A row as it was before it was filled up with zeros."""
    made_of = row.made_of if row.made_of != _UNKNOWN else b""
    return row._replace(made_of=made_of, hashes=row.hashes if row.hashes != _NO_HASHES else b"")


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
