"""Manifest endpoints: HEAD and GET with Accept, PUT with its checks, DELETE."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .blobs import shown_digest
from .contents import Contents, Manifest, Repository, digest_of, is_digest
from .headers import Headers
from .messages import Reply, Request, empty, entry, error
from .routes import Route
from .settings import Settings

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Manifests:
    """Answers requests on `/v2/<name>/manifests/<reference>`; the caller holds the contents' lock."""

    contents: Contents
    settings: Settings

    def read(self, route: Route, request: Request) -> Reply:
        found = self.contents.existing(route.repository).find(route.reference)
        if found is None:
            return error(404, entry("MANIFEST_UNKNOWN", "manifest unknown", {"reference": route.reference}))
        digest, manifest = found
        if self.settings.strict_accept and manifest.media_type not in accepted_types(request.headers):
            return error(404, entry("MANIFEST_UNKNOWN", f"the manifest is a {manifest.media_type}; Accept lacks it"))
        if request.headers.get("If-None-Match") in {digest, f'"{digest}"'}:
            return empty(304, {"ETag": f'"{digest}"'})
        headers = Headers.of({"Content-Type": manifest.media_type, "ETag": f'"{digest}"'})
        if self.settings.digest_header != "none":
            headers = headers.add("Docker-Content-Digest", shown_digest(self.settings, digest, manifest.data))
        return Reply(200, headers, manifest.data)

    def write(self, route: Route, request: Request) -> Reply:
        refusal = self._refusal(route, request)
        if refusal:
            return refusal
        by_digest = ":" in route.reference
        digest = route.reference if by_digest else digest_of(request.body)
        media_type = (request.headers.get("Content-Type") or "").partition(";")[0].strip()
        repository = self.contents.repository(route.repository)
        repository.manifests[digest] = Manifest(media_type, request.body)
        tags = request.values("tag") if by_digest and self.settings.tag_parameter else []
        for tag in tags if by_digest else [route.reference]:
            repository.tags.pop(tag, None)
            repository.tags[tag] = digest
        return self._stored(route.repository, digest, request, tags)

    def delete(self, route: Route) -> Reply:
        if not self.settings.deletes:
            return error(405, entry("UNSUPPORTED", "the operation is unsupported"))
        repository = self.contents.existing(route.repository)
        if not is_digest(route.reference):
            return self._untag(repository, route.reference)
        if repository.manifests.pop(route.reference, None) is None:
            return error(404, "MANIFEST_UNKNOWN")
        for tag in [tag for tag, digest in repository.tags.items() if digest == route.reference]:
            del repository.tags[tag]
        return empty(202)

    def _untag(self, repository: Repository, tag: str) -> Reply:
        if not self.settings.tag_deletes:
            return error(400, entry("DIGEST_INVALID", "provided digest did not match uploaded content"))
        return error(404, "MANIFEST_UNKNOWN") if repository.tags.pop(tag, None) is None else empty(202)

    def _stored(self, name: str, digest: str, request: Request, tags: list[str]) -> Reply:
        reply = empty(201, {"Location": f"/v2/{name}/manifests/{digest}"})
        if self.settings.digest_header != "none":
            reply = reply.with_header("Docker-Content-Digest", shown_digest(self.settings, digest, request.body))
        if tags:
            reply = reply.with_header("OCI-Tag", ", ".join(tags))
        subject = json.loads(request.body).get("subject")
        if subject and self.settings.referrers:
            reply = reply.with_header("OCI-Subject", str(subject["digest"]))
        return reply

    def _refusal(self, route: Route, request: Request) -> Reply | None:
        if len(request.body) > self.settings.max_manifest:
            status, code = self.settings.too_large
            return error(status, entry(code, "request body too large"))
        reference = route.reference
        if ":" in reference:
            refusal = self._digest_refusal(reference, request.body)
            if refusal:
                return refusal
        elif _TAG.fullmatch(reference) is None:
            return error(400, entry("TAG_INVALID", f"not a tag: {reference}"))
        return self._content_refusal(route, request)

    def _digest_refusal(self, digest: str, data: bytes) -> Reply | None:
        algorithm = digest.partition(":")[0]
        if not is_digest(digest) or (self.settings.sha256_manifests_only and algorithm != "sha256"):
            return error(400, entry("DIGEST_INVALID", "provided digest is malformed or not supported"))
        if digest_of(data, algorithm) != digest:
            return error(400, entry("DIGEST_INVALID", "provided digest did not match uploaded content"))
        return None

    def _content_refusal(self, route: Route, request: Request) -> Reply | None:
        try:
            value = json.loads(request.body)
        except ValueError as mistake:
            return error(400, entry("MANIFEST_INVALID", f"not JSON: {mistake}"))
        content_type = (request.headers.get("Content-Type") or "").partition(";")[0].strip()
        if not isinstance(value, dict) or value.get("schemaVersion") != 2:
            return error(400, entry("MANIFEST_INVALID", "schemaVersion must be 2"))
        if value.get("mediaType", content_type) != content_type or not content_type:
            return error(400, entry("MANIFEST_INVALID", f"mediaType and Content-Type {content_type!r} differ"))
        if "manifests" in value and ("layers" in value or "config" in value):
            return error(400, entry("MANIFEST_INVALID", "layers or config, and manifests, in one document"))
        return self._parts_refusal(route.repository, value)

    def _parts_refusal(self, name: str, value: dict[str, object]) -> Reply | None:
        if not self.settings.foreign_urls and any(part.get("urls") for part in _blobs(value)):
            return error(500, "UNKNOWN", "MANIFEST_BLOB_UNKNOWN")
        if not self.settings.verify_parts:
            return None
        repository = self.contents.existing(name)
        wanted = [part["digest"] for part in _blobs(value) if not part.get("urls")]
        missing = [digest for digest in wanted if digest not in repository.blobs]
        missing += [part["digest"] for part in _list(value, "manifests") if part["digest"] not in repository.manifests]
        if not missing:
            return None
        known = [entry("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest}) for digest in missing]
        return error(400, *known)


def accepted_types(headers: Headers) -> set[str]:
    """The media types that Accept names, without their parameters."""
    ranges = ",".join(headers.all("Accept")).split(",")
    return {item.partition(";")[0].strip() for item in ranges}


def _blobs(value: dict[str, object]) -> Iterator[dict[str, object]]:
    config = value.get("config")
    if isinstance(config, dict):
        yield config
    yield from _list(value, "layers")


def _list(value: dict[str, object], name: str) -> list[dict[str, object]]:
    items = value.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
