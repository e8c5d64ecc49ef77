"""A request as the registry sees it, and its answer: no sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ocibuild.oci.digest import Digest
from ocibuild.server.framing import Body
from ocibuild.server.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Names of headers are in lower case; of a header that came several times, the last counts."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: Body

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter of the query."""
        values = self.query.get(name)
        return values[0] if values else None

    @property
    def content_type(self) -> str | None:
        """The media type of the body, without parameters, which are to be ignored (distribution-spec)."""
        return self.headers.get("content-type", "").partition(";")[0].strip() or None


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of an open file, which whoever sends them closes."""

    file: BinaryIO
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body; Content-Length is the body's."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""

    @property
    def length(self) -> int:
        """How many bytes the body has."""
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)


def digest_header(digest: Digest) -> dict[str, str]:
    """The digest of what an answer is about."""
    return {"Docker-Content-Digest": str(digest)}


def json_answer(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """200 with a JSON document."""
    return Answer(200, {"Content-Type": "application/json", **(headers or {})}, _encode(document))


def refusal_answer(refusal: Refusal) -> Answer:
    """The answer that a refusal is, in the form of distribution-spec."""
    document = {"errors": [reason.to_json() for reason in refusal.reasons]}
    return Answer(refusal.status, {"Content-Type": "application/json", **refusal.headers}, _encode(document))


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
