"""Which repositories hold which blobs: what a layout remembers beside the format, in `ocibuild-origins.json`. Pure.

A push mounts base layers from there, and a layout may leave them there: it need not hold every blob that it names.
"""

from __future__ import annotations

from collections.abc import Mapping

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.oci.codec import decode_object, encode
from ocibuild.oci.digest import Digest, parse_digest
from ocibuild.oci.reference import Reference, parse_reference

ORIGINS_FILE = "ocibuild-origins.json"
ORIGINS_LIMIT = 16 * 1024 * 1024

Origins = Mapping[Digest, tuple[Reference, ...]]


def decode_origins(raw: bytes, *, subject: str) -> dict[Digest, tuple[Reference, ...]]:
    """The origins that `raw` lists. IntegrityError, naming `subject`, where it is malformed."""
    document = decode_object(raw, subject=subject, limit=ORIGINS_LIMIT)
    try:
        return {parse_digest(text): tuple(map(parse_reference, names)) for text, names in document.items()}
    except (UsageError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{subject} is malformed: {error}", hint="remove that file and build again") from error


def encode_origins(origins: Origins) -> bytes:
    """`origins` as canonical JSON, sorted: digest -> repositories."""
    return encode({str(digest): [reference.name for reference in found] for digest, found in origins.items()})


def merge_origins(known: Origins, new: Mapping[Digest, Reference]) -> dict[Digest, tuple[Reference, ...]]:
    """`known` with one more repository for each blob of `new`, in the order of their names."""
    merged = dict(known)
    for digest, reference in new.items():
        names = {origin.name for origin in merged.get(digest, ())} | {reference.name}
        merged[digest] = tuple(parse_reference(name) for name in sorted(names))
    return merged
