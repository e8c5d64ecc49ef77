"""Requests and replies as values, and the reply shapes of the distribution spec."""

from __future__ import annotations

import enum
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from .headers import Headers

JSON = "application/json"

Wait = threading.Event | float
"""What a held exchange waits for: an event, or that many seconds."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came over the wire; the body is empty until it has been read."""

    number: int
    connection: int
    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def path(self) -> str:
        """The decoded path, also of a proxy's absolute target."""
        raw = self.target.partition("?")[0] if self.target.startswith("/") else urlsplit(self.target).path
        return unquote(raw)

    @property
    def query(self) -> str:
        """The query exactly as sent."""
        return self.target.partition("?")[2]

    def values(self, name: str) -> list[str]:
        """Decoded values of one query parameter, in order."""
        return [value for key, value in parse_qsl(self.query, keep_blank_values=True) if key == name]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    @property
    def declared_length(self) -> int | None:
        """Content-Length, or None for a chunked or absent body."""
        text = self.headers.get("Content-Length")
        return int(text) if text is not None and text.isdigit() else None


class Framing(enum.Enum):
    """How the end of a reply's body is told."""

    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until close"


class Ending(enum.Enum):
    """What becomes of the connection after a reply."""

    KEEP = "keep"
    CLOSE = "close"
    QUIET_CLOSE = "quiet close"
    """Closed although the reply promised keep-alive: the next request on it meets an end of file."""
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reply travels; byte counts are of the body."""

    framing: Framing = Framing.LENGTH
    ending: Ending = Ending.KEEP
    cut_after: int | None = None
    stall_after: int | None = None
    stall: Wait | None = None
    raw: bytes | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, fields and body, and the way they are to be delivered."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    delivery: Delivery = field(default_factory=Delivery)

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    def with_header(self, name: str, value: str) -> Reply:
        return replace(self, headers=self.headers.set(name, value))


def empty(status: int, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, Headers.of(headers or {}))


def text(status: int, body: str) -> Reply:
    return Reply(status, Headers.of({"Content-Type": "text/plain; charset=utf-8"}), body.encode())


def document(status: int, value: object, content_type: str = JSON) -> Reply:
    return Reply(status, Headers.of({"Content-Type": content_type}), json.dumps(value, ensure_ascii=False).encode())


def entry(code: str, message: str = "", detail: object = None) -> dict[str, object]:
    """One item of the spec's error list."""
    return {"code": code, "message": message or code.replace("_", " ").lower(), "detail": detail}


def error(status: int, *entries: dict[str, object] | str) -> Reply:
    """An error document; a plain string stands for a code."""
    return document(status, {"errors": [entry(item) if isinstance(item, str) else item for item in entries]})
