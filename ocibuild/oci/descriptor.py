"""Descriptors: how one document names another (image-spec descriptor.md)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocibuild.errors import IntegrityError, quoted
from ocibuild.oci.digest import Digest, sha256, verify_bytes
from ocibuild.oci.fields import media_type_in, promised_digest, string_map, text_in, texts_in
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


def describe(data: bytes, /, media_type: str, **facts: Any) -> Descriptor:
    """The descriptor of `data`; `facts` are further fields of Descriptor."""
    return Descriptor(media_type, sha256(data), len(data), **facts)


def descriptor_from_json(document: Any, *, subject: str) -> Descriptor:
    """The descriptor in a foreign document. IntegrityError, naming `subject`, where it is not one.

    A `data` field that is not the described content is refused here (descriptor.md: it MUST be equal).
    """
    if not isinstance(document, dict):
        raise IntegrityError(f"{subject} is not a descriptor")
    media_type = media_type_in(document, "mediaType", subject=subject)
    digest = text_in(document, "digest", subject=subject)
    size = document.get("size")
    if media_type is None or digest is None:
        raise IntegrityError(f"{subject} lacks a mediaType or a digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _INT64_MAX:
        raise IntegrityError(f"{subject} has no valid size: {quoted(size)}")
    parsed = promised_digest(digest, subject=subject)
    return Descriptor(
        media_type=media_type,
        digest=parsed,
        size=size,
        urls=texts_in(document, "urls", subject=subject),
        annotations=string_map(document.get("annotations"), subject=f"annotations of {subject}"),
        platform=_platform(document.get("platform"), f"platform of {subject}"),
        artifact_type=media_type_in(document, "artifactType", subject=subject),
        data=_embedded(document.get("data"), parsed, size, f"data of {subject}"),
    )


def _platform(value: Any, subject: str) -> Platform | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise IntegrityError(f"{subject} is not an object: {quoted(value)}")
    return platform_from_json(value, subject=subject)


def _embedded(value: Any, digest: Digest, size: int, subject: str) -> bytes | None:
    if value is None:
        return None
    try:
        data = base64.b64decode(value, validate=True)
    except (TypeError, ValueError) as error:
        raise IntegrityError(f"{subject} is not base64") from error
    return verify_bytes(data, digest, size, subject=subject)
