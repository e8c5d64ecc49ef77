"""Content discovery: tags, catalog, referrers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from .contents import Contents, Manifest
from .manifests import OCI_INDEX
from .messages import Reply, Request, document, entry, error, text
from .routes import Route
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Listings:
    """Answers the requests that list; the caller holds the contents' lock."""

    contents: Contents
    settings: Settings
    origin: str

    def tags(self, route: Route, request: Request) -> Reply:
        if route.repository not in self.contents.repositories:
            return error(404, entry("NAME_UNKNOWN", "repository name not known to registry"))
        tags = list(self.contents.repositories[route.repository].tags)
        path = f"/v2/{route.repository}/tags/list"
        return self._page(path, request, "tags", tags, {"name": route.repository})

    def catalog(self, request: Request) -> Reply:
        return self._page("/v2/_catalog", request, "repositories", list(self.contents.repositories), {})

    def referrers(self, route: Route, request: Request) -> Reply:
        """An index of the manifests whose subject this is; plain 404 where the API is off."""
        if not self.settings.referrers:
            return text(404, "404 page not found\n")
        manifests = self.contents.existing(route.repository).manifests
        found = [
            descriptor
            for digest, manifest in manifests.items()
            if (descriptor := _referrer(digest, manifest, route.reference)) is not None
        ]
        wanted = request.value("artifactType")
        if wanted:
            found = [descriptor for descriptor in found if descriptor.get("artifactType") == wanted]
        reply = document(200, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}, OCI_INDEX)
        return reply.with_header("OCI-Filters-Applied", "artifactType") if wanted else reply

    def _page(self, path: str, request: Request, key: str, names: list[str], around: dict[str, object]) -> Reply:
        if not self.settings.paging:
            return document(200, {**around, key: names})
        names = sorted(names) if self.settings.sorted_tags else names
        asked = request.value("n")
        size = int(asked) if asked and asked.isdigit() else self.settings.default_page
        if size is not None and self.settings.max_page is not None and size > self.settings.max_page:
            return error(400, entry("PAGINATION_NUMBER_INVALID", f"n must be at most {self.settings.max_page}"))
        rest = _after(names, request.value("last"))
        page = rest if size is None else rest[:size]
        reply = document(200, {**around, key: page})
        if not page or len(page) == len(rest):
            return reply
        origin = self.origin if self.settings.link == "absolute" else ""
        return reply.with_header("Link", f'<{origin}{path}?last={quote(page[-1])}&n={size}>; rel="next"')


def _after(names: list[str], last: str | None) -> list[str]:
    """What follows `last`, by position where it is listed, else by order."""
    if last is None:
        return names
    return names[names.index(last) + 1 :] if last in names else [name for name in names if name > last]


def _referrer(digest: str, manifest: Manifest, subject: str) -> dict[str, object] | None:
    value = json.loads(manifest.data)
    if (value.get("subject") or {}).get("digest") != subject:
        return None
    descriptor: dict[str, object] = {"mediaType": manifest.media_type, "digest": digest, "size": len(manifest.data)}
    artifact_type = value.get("artifactType") or (value.get("config") or {}).get("mediaType")
    if artifact_type:
        descriptor["artifactType"] = artifact_type
    if value.get("annotations"):
        descriptor["annotations"] = value["annotations"]
    return descriptor
