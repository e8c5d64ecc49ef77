"""Paths of the distribution spec, taken apart."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from .messages import Request
from .scopes import Scope

BASE = "/v2/"
UPLOADS = "/v2/*/blobs/uploads/"
SESSIONS = "/v2/*/blobs/uploads/?*"
BLOBS = "/v2/*/blobs/sha*:*"
MANIFESTS = "/v2/*/manifests/*"
TAGS = "/v2/*/tags/list"
REFERRERS = "/v2/*/referrers/*"
TOKEN = "/token"
"""Patterns for `server.on`."""

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"


class Kind(enum.Enum):
    """What a path addresses."""

    BASE = "base"
    UPLOADS = "uploads"
    SESSION = "session"
    BLOB = "blob"
    MANIFEST = "manifest"
    TAGS = "tags"
    REFERRERS = "referrers"
    CATALOG = "catalog"


_SHAPES = (
    (Kind.BASE, re.compile(r"/v2/?")),
    (Kind.CATALOG, re.compile(r"/v2/_catalog")),
    (Kind.UPLOADS, re.compile(rf"/v2/(?P<name>{_NAME})/blobs/uploads/?")),
    (Kind.SESSION, re.compile(rf"/v2/(?P<name>{_NAME})/blobs/uploads/(?P<reference>[^/]+)")),
    (Kind.BLOB, re.compile(rf"/v2/(?P<name>{_NAME})/blobs/(?P<reference>[^/]+)")),
    (Kind.MANIFEST, re.compile(rf"/v2/(?P<name>{_NAME})/manifests/(?P<reference>[^/]+)")),
    (Kind.TAGS, re.compile(rf"/v2/(?P<name>{_NAME})/tags/list")),
    (Kind.REFERRERS, re.compile(rf"/v2/(?P<name>{_NAME})/referrers/(?P<reference>[^/]+)")),
)


@dataclass(frozen=True, slots=True)
class Route:
    """What one path addresses; repository and reference are empty where the kind has none."""

    kind: Kind
    repository: str = ""
    reference: str = ""

    @classmethod
    def of(cls, path: str) -> Route | None:
        for kind, shape in _SHAPES:
            if match := shape.fullmatch(path):
                found = match.groupdict()
                return cls(kind, found.get("name", ""), found.get("reference", ""))
        return None

    def needs(self, request: Request) -> tuple[Scope, ...]:
        """The access that a request on this route takes; a mount also reads its source."""
        if self.kind is Kind.CATALOG:
            return (Scope("registry", "catalog", frozenset({"*"})),)
        if not self.repository:
            return ()
        needed = [Scope.repository(self.repository, *self._actions(request.method))]
        source = request.value("from")
        if self.kind is Kind.UPLOADS and source:
            needed.append(Scope.repository(source, "pull"))
        return tuple(needed)

    def _actions(self, method: str) -> tuple[str, ...]:
        if method in {"GET", "HEAD"} and self.kind not in {Kind.UPLOADS, Kind.SESSION}:
            return ("pull",)
        if method == "DELETE" and self.kind is not Kind.SESSION:
            return ("delete",)
        return ("pull", "push")
