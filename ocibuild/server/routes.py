"""Paths of the API as values (distribution-spec, "Endpoints"). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from ocibuild.errors import UsageError
from ocibuild.oci.reference import parse_reference
from ocibuild.server.refusal import Code, refuse

# A repository's name may itself hold `blobs` or `manifests`: what stands last counts.
_PATH = re.compile(
    r"/v2/(?P<name>.+)/(?:"
    r"blobs/uploads/?(?P<start>)|blobs/uploads/(?P<upload>[^/]+)|blobs/(?P<blob>[^/]+)|manifests/(?P<manifest>[^/]+)|"
    r"(?P<tags>tags/list)|referrers/(?P<referrers>[^/]+))",
    re.DOTALL,
)


class Endpoint(Enum):
    """What a path addresses."""

    BASE = auto()
    CATALOG = auto()
    BLOB = auto()
    UPLOADS = auto()
    UPLOAD = auto()
    MANIFEST = auto()
    TAGS = auto()
    REFERRERS = auto()


_ENDPOINTS = {
    "start": Endpoint.UPLOADS,
    "upload": Endpoint.UPLOAD,
    "blob": Endpoint.BLOB,
    "manifest": Endpoint.MANIFEST,
    "tags": Endpoint.TAGS,
    "referrers": Endpoint.REFERRERS,
}


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint, the repository, and the last part of the path: a digest, a tag, a session."""

    endpoint: Endpoint
    repository: str = ""
    argument: str = ""


def find_route(path: str) -> Route:
    """The route of a path whose percent-encoding was undone. Refusal for what is no path of the API, or no repository."""
    if path in ("/v2", "/v2/"):
        return Route(Endpoint.BASE)
    if path == "/v2/_catalog":
        return Route(Endpoint.CATALOG)
    match = _PATH.fullmatch(path)
    if match is None:
        raise refuse(404, Code.UNSUPPORTED, "there is nothing at this path: the API of a registry begins with /v2/")
    kind = match.lastgroup or ""
    return Route(_ENDPOINTS[kind], _repository(match["name"]), match[kind])


def _repository(name: str) -> str:
    try:
        is_name = parse_reference(f"localhost/{name}").repository == name
    except UsageError:
        is_name = False
    if not is_name:
        raise refuse(400, Code.NAME_INVALID, "this is not the name of a repository: write it in lower case")
    return name
