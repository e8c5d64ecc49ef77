"""A plain http.client for the fake's own tests: nothing is followed, retried or decoded."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

from .headers import Headers
from .server import HttpServer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        return self.headers.get(name)


class Client:
    """One keep-alive connection to a server."""

    def __init__(self, server: HttpServer, context: ssl.SSLContext | None = None) -> None:
        self.url = server.url
        host = server.host.strip("[]").rsplit(":", 1)[0].strip("]")
        self._connection = (
            http.client.HTTPSConnection(host, server.port, timeout=10, context=context)
            if context
            else http.client.HTTPConnection(host, server.port, timeout=10)
        )

    def call(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A target may be a Location as the server gave it (absolute or a path)."""
        parts = urlsplit(target)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        chunked = body is not None and not isinstance(body, bytes)
        self._connection.request(method, path, body, dict(headers or {}), encode_chunked=chunked)
        reply = self._connection.getresponse()
        return Answer(reply.status, Headers.of(reply.getheaders()), reply.read())

    def upload(self, repository: str, data: bytes, digest: str) -> Answer:
        """POST, then PUT."""
        started = self.call("POST", f"/v2/{repository}/blobs/uploads/", b"")
        return self.call("PUT", with_digest(self.follow(started, f"/v2/{repository}/blobs/uploads/"), digest), data)

    def follow(self, answer: Answer, asked: str) -> str:
        """The answer's Location as a whole URL."""
        return urljoin(self.url + asked, answer["Location"] or "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()


def with_digest(location: str, digest: str) -> str:
    """The Location with one more parameter, its own query untouched."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"
