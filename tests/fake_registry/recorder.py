"""Servers that are not registries: a bystander that only records, and a token server on an origin of its own."""

from __future__ import annotations

import ssl

from .messages import Reply, Request, text
from .routes import TOKEN
from .server import HttpServer
from .tokens import TokenService


class Recorder(HttpServer):
    """Answers everything with one status, to prove what did and what did not reach it."""

    def __init__(
        self, status: int = 500, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(host=host, port=port, tls=tls)
        self.status = status

    def answer(self, request: Request) -> Reply:
        return text(self.status, "recorded\n")

    def assert_untouched(self) -> None:
        """Nobody connected, not even without sending a request."""
        self.settle()
        seen = [f"{record.method} {record.target}" for record in self.requests()]
        assert self.connections == 0, f"{self.connections} connections to {self.url}: {seen}"

    def assert_no_credentials(self) -> None:
        """Requests may have come, but none with Authorization, Cookie or Proxy-Authorization."""
        for name in ("Authorization", "Cookie", "Proxy-Authorization"):
            assert not self.saw_header(name), f"{self.url} was sent {name}"


class TokenServer(HttpServer):
    """A token service on its own origin; point `BearerAuth.realm` at `realm`."""

    def __init__(
        self,
        tokens: TokenService,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(host=host, port=port, tls=tls)
        self.tokens = tokens

    @property
    def realm(self) -> str:
        return self.url + TOKEN

    def answer(self, request: Request) -> Reply:
        return self.tokens.answer(request) if request.path == TOKEN else text(404, "404 page not found\n")
