"""Blob endpoints: HEAD, GET with one range, DELETE."""

from __future__ import annotations

import re

from .contents import Contents, digest_of, is_digest
from .headers import Headers
from .messages import Reply, Request, empty, entry, error
from .routes import Route
from .settings import Settings

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def read(contents: Contents, settings: Settings, route: Route, request: Request) -> Reply:
    """GET and HEAD; the digest was checked when the blob was stored, so seeded lies are served as they are."""
    if not is_digest(route.reference):
        return error(400, entry("DIGEST_INVALID", "provided digest is malformed"))
    data = contents.existing(route.repository).blobs.get(route.reference)
    if data is None:
        return error(404, entry("BLOB_UNKNOWN", "blob unknown to registry", {"digest": route.reference}))
    headers = Headers.of({"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"})
    if settings.digest_header != "none":
        headers = headers.add("Docker-Content-Digest", shown_digest(settings, route.reference, data))
    wanted = request.headers.get("Range") if request.method == "GET" else None
    return ranged(data, wanted, headers)


def delete(contents: Contents, settings: Settings, route: Route) -> Reply:
    if not settings.deletes:
        return error(405, "UNSUPPORTED")
    removed = contents.existing(route.repository).blobs.pop(route.reference, None)
    return error(404, "BLOB_UNKNOWN") if removed is None else empty(202)


def shown_digest(settings: Settings, asked: str, data: bytes) -> str:
    """The value of Docker-Content-Digest."""
    return digest_of(data) if settings.digest_header == "sha256" else asked


def ranged(data: bytes, wanted: str | None, headers: Headers) -> Reply:
    """200, 206 or 416; what is not one well-formed range is ignored (RFC 9110, section 14.2)."""
    match = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if match is None or match.groups() == ("", ""):
        return Reply(200, headers, data)
    size = len(data)
    if match[1]:
        first = int(match[1])
        last = min(int(match[2]), size - 1) if match[2] else size - 1
        if match[2] and int(match[2]) < first:
            return Reply(200, headers, data)
    else:
        first, last = max(size - int(match[2]), 0), size - 1
    if first >= size or first > last:
        return Reply(416, Headers.of({"Content-Range": f"bytes */{size}"}))
    return Reply(206, headers.add("Content-Range", f"bytes {first}-{last}/{size}"), data[first : last + 1])
