"""The switches of the fake registry; the defaults follow the distribution spec strictly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MIB = 1024 * 1024


@dataclass(slots=True)
class Settings:
    """May be changed at any time; requests that come later see the change."""

    # Uploads
    location: Literal["path", "absolute", "relative"] = "path"
    """Form of upload Locations: `/v2/...`, `http://host/v2/...`, or `<session>?...` relative to the request."""
    rotate_state: bool = True
    """Each reply to an upload request has a new Location, and the one before is dead (as on docker-registry 2.8.2)."""
    opaque_query: str = "_state={state}"
    """Query of upload Locations; empty for none."""
    exact_query: bool = False
    """Require the opaque query byte for byte, plus one `digest`; else its `_state` is compared after decoding."""
    check_content_range: bool = True
    content_range_required: bool = False
    max_chunk: int | None = None
    """A larger PATCH that carries Content-Range gets 416."""
    min_chunk: int | None = None
    """Announced as OCI-Chunk-Min-Length; a PATCH after a shorter chunk gets 416."""
    one_shot: bool = True
    """POST with `digest` stores at once; else it opens a session (202)."""
    octet_stream_required: bool = False
    """One-shot POST with another Content-Type gets 415."""
    mount: Literal["from", "any", "off"] = "from"
    """Mount from the named repository only, from any when `from` is absent, or never."""
    algorithms: frozenset[str] = frozenset({"sha256", "sha512"})
    digest_header: Literal["asked", "sha256", "none"] = "asked"
    """Algorithm of Docker-Content-Digest, or no such field."""

    # Manifests
    strict_accept: bool = True
    """404 MANIFEST_UNKNOWN unless Accept names the stored media type itself."""
    verify_parts: bool = True
    """Refuse manifests whose blobs or children are not in the repository."""
    max_manifest: int = 4 * MIB
    too_large: tuple[int, str] = (413, "SIZE_INVALID")
    tag_parameter: bool = False
    """Set the tags of `?tag=` on PUT by digest and echo them in OCI-Tag."""
    sha256_manifests_only: bool = False
    foreign_urls: bool = True
    """Accept layers with `urls`; else 500 [UNKNOWN, MANIFEST_BLOB_UNKNOWN] as docker-registry 2.8.2."""

    # Discovery and deletion
    referrers: bool = True
    """The referrers API and OCI-Subject."""
    paging: bool = True
    """Honour `n` and `last`; else every tag in order of creation and no Link."""
    sorted_tags: bool = True
    default_page: int | None = None
    max_page: int | None = None
    """A larger `n` is refused with 400."""
    link: Literal["path", "absolute"] = "path"
    deletes: bool = True
    """Else 405 UNSUPPORTED."""
    tag_deletes: bool = True
    """Else DELETE by tag gets 400 DIGEST_INVALID."""
