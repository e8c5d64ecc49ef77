"""Referrers: manifests that point to another one as their `subject`, and the lists of them. Pure.

distribution-spec "Listing Referrers"; where a registry has no API for it, "Referrers Tag Schema": an index of them under a
tag that is made of the subject's digest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ocibuild.errors import IntegrityError
from ocibuild.oci.codec import decode_object, encode
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import Document, Manifest, parse_document
from ocibuild.oci.media_type import ACCEPTED, OCI_INDEX

_ALGORITHM_LIMIT, _ENCODED_LIMIT = 32, 64
_UNFIT_FOR_TAGS = re.compile(r"[^A-Za-z0-9._-]", re.ASCII)
_REFERRERS_TAG = re.compile(r"sha(?:256|512)-[a-f0-9]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Referral:
    """That a manifest refers to another: `referrer` as lists of referrers have it."""

    subject: Digest
    referrer: Descriptor


def referral_in(descriptor: Descriptor, raw: bytes) -> Referral | None:
    """What the manifest `raw` refers to; None if it has no subject. IntegrityError for a malformed one that seems to."""
    if descriptor.media_type not in ACCEPTED or b'"subject"' not in raw:
        return None
    document = parse_document(raw, descriptor.media_type, subject=f"manifest {descriptor.digest}")
    return Referral(document.subject.digest, as_referrer(descriptor, document)) if document.subject else None


def as_referrer(descriptor: Descriptor, document: Document) -> Descriptor:
    """The descriptor of `document` for a list: with its artifactType, else its config's type, and all its annotations."""
    artifact_type = document.artifact_type
    if artifact_type is None and isinstance(document, Manifest):
        artifact_type = document.config.media_type
    return Descriptor(
        descriptor.media_type,
        descriptor.digest,
        descriptor.size,
        annotations=document.annotations,
        artifact_type=artifact_type,
    )


def referrers_tag(subject: Digest) -> str:
    """The tag that lists what refers to `subject`: each half cut to its limit, and what no tag can hold made a dash.

    Tags that begin with it and a dot are cosign's (`.sig`, `.att`, `.sbom`).
    """
    text = f"{subject.algorithm[:_ALGORITHM_LIMIT]}-{subject.encoded[:_ENCODED_LIMIT]}"
    return _UNFIT_FOR_TAGS.sub("-", text)


def is_referrers_tag(tag: str | None) -> bool:
    """Whether a tag is a list of referrers rather than the name of an image."""
    return tag is not None and _REFERRERS_TAG.fullmatch(tag) is not None


def referrers_in(raw: bytes, *, subject: str) -> tuple[Descriptor, ...]:
    """What a list names. IntegrityError, naming `subject`, where it is no OCI index."""
    document = parse_document(raw, OCI_INDEX, subject=subject)
    assert not isinstance(document, Manifest)
    return document.manifests


def of_type(referrers: Iterable[Descriptor], artifact_type: str | None) -> tuple[Descriptor, ...]:
    """Each referrer once, and only those of this artifact type if one is given."""
    unique: dict[Digest, Descriptor] = {}
    for referrer in referrers:
        unique.setdefault(referrer.digest, referrer)
    return tuple(found for found in unique.values() if artifact_type in (None, found.artifact_type))


def with_referrer(raw: bytes | None, referrer: Descriptor) -> bytes:
    """The list `raw` (None: there is none yet) with `referrer` in it once, described in full; `raw` itself if it is so already.

    What others wrote beside that stays. An entry that lacks annotations or the artifactType gets them (cosign#4641).
    """
    entries = _entries(raw)
    known = next((entry for entry in entries if entry.get("digest") == str(referrer.digest)), None)
    if known is None:
        return _with_entries(raw, [*entries, referrer.to_json()])
    mended = {**known, **referrer.to_json()}
    if raw is not None and mended == known:
        return raw
    return _with_entries(raw, [mended if entry is known else entry for entry in entries])


def without_referrers(raw: bytes, gone: Collection[Digest]) -> bytes:
    """The list `raw` without these; `raw` itself if it has none of them."""
    entries, names = _entries(raw), {str(digest) for digest in gone}
    kept = [entry for entry in entries if entry.get("digest") not in names]
    return raw if len(kept) == len(entries) else _with_entries(raw, kept)


def _entries(raw: bytes | None) -> list[dict[str, Any]]:
    return list(_document(raw)["manifests"])


def _with_entries(raw: bytes | None, entries: list[dict[str, Any]]) -> bytes:
    return encode({**_document(raw), "manifests": entries})


def _document(raw: bytes | None) -> dict[str, Any]:
    if raw is None:
        return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    document = decode_object(raw, subject="the list of referrers")
    entries = document.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise IntegrityError("the list of referrers is no image index")
    return document
