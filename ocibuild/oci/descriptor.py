"""Descriptors: how one document names another (image-spec descriptor.md)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.oci.digest import Digest, parse_digest, sha256
from ocibuild.oci.platform import Platform, platform_from_json

_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and size of a blob, with what else its referrer says about it.

    `annotations` is compared but not hashed, so that descriptors can be kept in sets.
    """

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    platform: Platform | None = None
    artifact_type: str | None = None
    data: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """The descriptor as a JSON object, without the fields that are empty."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            document["urls"] = list(self.urls)
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform is not None:
            document["platform"] = self.platform.to_json()
        if self.artifact_type is not None:
            document["artifactType"] = self.artifact_type
        if self.data is not None:
            document["data"] = base64.b64encode(self.data).decode()
        return document


def describe(data: bytes, media_type: str, **facts: Any) -> Descriptor:
    """The descriptor of `data`; `facts` are further fields of Descriptor."""
    return Descriptor(media_type, sha256(data), len(data), **facts)


def descriptor_from_json(document: Any, *, subject: str) -> Descriptor:
    """The descriptor in a foreign document. IntegrityError, naming `subject`, where it is not one.

    A `data` field that is not the described content is refused here (descriptor.md: it MUST be equal).
    """
    if not isinstance(document, dict):
        raise IntegrityError(f"{subject} is not a descriptor")
    media_type, size, digest = document.get("mediaType"), document.get("size"), document.get("digest")
    if not isinstance(media_type, str) or not isinstance(digest, str):
        raise IntegrityError(f"{subject} lacks a mediaType or a digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _INT64_MAX:
        raise IntegrityError(f"{subject} has no valid size: {size!r}")
    try:
        parsed = parse_digest(digest)
    except UsageError as error:
        raise IntegrityError(f"{subject}: {error.what}") from error
    platform = document.get("platform")
    return Descriptor(
        media_type=media_type,
        digest=parsed,
        size=size,
        urls=_strings(document.get("urls"), subject=f"urls of {subject}"),
        annotations=string_map(document.get("annotations"), subject=f"annotations of {subject}"),
        platform=platform_from_json(platform) if isinstance(platform, dict) else None,
        artifact_type=document.get("artifactType"),
        data=_embedded(document.get("data"), parsed, size, subject),
    )


def string_map(value: Any, *, subject: str) -> dict[str, str]:
    """A JSON object of strings, `{}` for null or absence (annotations.md); IntegrityError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise IntegrityError(f"{subject} is not a map of strings")
    return dict(value)


def _strings(value: Any, *, subject: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise IntegrityError(f"{subject} is not a list of strings")
    return tuple(value)


def _embedded(value: Any, digest: Digest, size: int, subject: str) -> bytes | None:
    if value is None:
        return None
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise IntegrityError(f"data of {subject} is not base64") from error
    if len(data) != size or digest.hasher().name != digest.algorithm or _hash(data, digest) != digest.encoded:
        raise IntegrityError(f"data of {subject} is not the content that its digest names")
    return data


def _hash(data: bytes, digest: Digest) -> str:
    hasher = digest.hasher()
    hasher.update(data)
    return hasher.hexdigest()
