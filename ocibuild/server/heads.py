"""The head of a request (RFC 9112 2 to 5): read strictly, since where a body begins depends on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

_LIMIT = 1 << 16  # bytes of a whole head
_MOST = 100
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/1\.([01])", re.ASCII)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*?)[ \t]*", re.ASCII)


class HeadError(Exception):
    """What came is no proper HTTP; `status` is what to say about it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Lines(Protocol):
    """What a head is read from."""

    def readline(self, limit: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the headers of a request. Names of headers are in lower case."""

    method: str
    target: str
    minor_version: int
    fields: tuple[tuple[str, str], ...]

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; of one that came several times, the last."""
        return dict(self.fields)

    def values(self, name: str) -> list[str]:
        """Every value that came under this name."""
        return [value for key, value in self.fields if key == name]

    @property
    def path(self) -> str:
        """The path, with percent-encoding undone."""
        try:
            return unquote(self._parts[0], errors="strict")
        except UnicodeDecodeError as error:
            raise HeadError("the path is not UTF-8") from error

    @property
    def query(self) -> Mapping[str, list[str]]:
        """The parameters after the question mark."""
        try:
            return parse_qs(self._parts[1], keep_blank_values=True, max_num_fields=_MOST)
        except ValueError as error:
            raise HeadError("too many parameters") from error

    @property
    def is_last(self) -> bool:
        """Whether the client does not want to go on after this request."""
        options = ",".join(self.values("connection")).lower().split(",")
        return self.minor_version == 0 or "close" in (option.strip() for option in options)

    @property
    def expects_continue(self) -> bool:
        """Whether the client may wait for a word before it sends the body."""
        return self.minor_version > 0 and self.headers.get("expect", "").lower() == "100-continue"

    @property
    def _parts(self) -> tuple[str, str]:
        if self.target.startswith("/"):
            path, _, query = self.target.partition("?")
            return path, query
        try:
            parts = urlsplit(self.target)  # the absolute form, as for a proxy
        except ValueError as error:
            raise HeadError("the target is no URL") from error
        return parts.path, parts.query


def read_head(stream: Lines) -> Head:
    """The next head. HeadError for one that is malformed, cut or too large."""
    left = _LIMIT
    lines: list[str] = []
    while True:
        raw = stream.readline(left)
        left -= len(raw)
        if not raw.endswith(b"\n"):
            raise HeadError("the head of the request is cut", 400) if left else HeadError("the head is too large", 431)
        line = raw.decode("latin-1").removesuffix("\n").removesuffix("\r")
        if line:
            lines.append(line)
        elif lines:  # RFC 9112 2.2: an empty line before a request is to be ignored
            return _parsed(lines)


def _parsed(lines: list[str]) -> Head:
    first = _REQUEST_LINE.fullmatch(lines[0])
    if first is None:
        raise HeadError("the first line is not that of an HTTP/1 request")
    if len(lines) > _MOST:
        raise HeadError("too many headers", 431)
    fields = []
    for line in lines[1:]:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise HeadError("a header is malformed")
        fields.append((match[1].lower(), match[2]))
    return Head(first[1], first[2], int(first[3]), tuple(fields))
