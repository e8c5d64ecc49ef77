"""A token server as the distribution spec's Bearer flow needs it, in the shape that docker-registry trusts.

It answers GET (Basic or nobody) and POST (OAuth2: password, refresh_token), signs JSON Web Tokens with RS256 and the
certificate in the header (x5c), and keeps a record of every request for the test to look at.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.peers.certificates import Certificate, der, sign_rs256
from tests.peers.servers import LOOPBACK

# docker-registry accepts a token this long after its `exp`: dated back by as much, it really ends when it should.
REGISTRY_LEEWAY = 60


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client asked for. `account` is None for nobody; `grant` is `basic`, or the OAuth2 grant type."""

    method: str
    scopes: tuple[str, ...]
    account: str | None
    grant: str
    granted: bool


@dataclass(slots=True)
class TokenServer:
    """The running server. `lifetime` (seconds) may be changed between requests; `requests` grows by each."""

    signer: Certificate
    users: Mapping[str, str]
    realm: str
    lifetime: int
    anonymous_pull: bool
    service: str = "test registry"
    issuer: str = "test token issuer"
    requests: list[TokenRequest] = field(default_factory=list)
    refresh_tokens: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many tokens were asked for."""
        return len(self.requests)

    @property
    def scopes(self) -> list[str]:
        """Every scope that was asked for, in order, as often as it was."""
        return [scope for request in self.requests for scope in request.scopes]

    def refresh_token(self, account: str) -> str:
        """A new refresh token (what `docker login` stores as identity token) for an account."""
        token = secrets.token_urlsafe(24)
        self.refresh_tokens[token] = account
        return token

    def token(self, account: str | None, scopes: tuple[str, ...]) -> str:
        """A signed token that allows all that is asked for, or only `pull` if nobody in particular asks."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": account or "",
            "aud": self.service,
            "iat": now,
            "nbf": now - REGISTRY_LEEWAY - 10,
            "exp": now + self.lifetime - REGISTRY_LEEWAY,
            "jti": secrets.token_hex(8),
            "access": [_access(scope, pull_only=account is None) for scope in scopes],
        }
        certificate = base64.b64encode(der(self.signer.file)).decode()
        head = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
        message = f"{_encode(json.dumps(head).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{message}.{_encode(sign_rs256(self.signer.key, message.encode()))}"


@contextmanager
def serving_tokens(
    signer: Certificate, users: Mapping[str, str], *, lifetime: int, anonymous_pull: bool
) -> Iterator[TokenServer]:
    """Runs the server in a thread of this process until the block ends."""
    with ThreadingHTTPServer((LOOPBACK, 0), _Handler) as listener:
        realm = f"http://{LOOPBACK}:{listener.server_port}/token"
        server = TokenServer(signer, users, realm, lifetime, anonymous_pull)
        listener.RequestHandlerClass = type("Handler", (_Handler,), {"tokens": server})
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, name="token server")
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    tokens: TokenServer
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        account, known = self._basic_account()
        self._answer("basic", account, known, tuple(query.get("scope", ())), new_refresh=query.get("offline_token"))

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        grant = form.get("grant_type", [""])[0]
        account, known = self._oauth2_account(grant, form)
        # OAuth2 has all scopes in one field, with spaces between them (RFC 6749 section 3.3).
        scopes = tuple(scope for value in form.get("scope", ()) for scope in value.split())
        offline = form.get("access_type") == ["offline"]
        self._answer(grant, account, known, scopes, new_refresh=offline)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is BaseHTTPRequestHandler's
        pass

    def _basic_account(self) -> tuple[str | None, bool]:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None, self.tokens.anonymous_pull
        account, _, password = base64.b64decode(encoded).decode().partition(":")
        return account, self.tokens.users.get(account) == password

    def _oauth2_account(self, grant: str, form: Mapping[str, list[str]]) -> tuple[str | None, bool]:
        if grant == "refresh_token":
            account = self.tokens.refresh_tokens.get(form.get("refresh_token", [""])[0])
            return account, account is not None
        account = form.get("username", [""])[0]
        return account, grant == "password" and self.tokens.users.get(account) == form.get("password", [None])[0]

    def _answer(
        self, grant: str, account: str | None, known: bool, scopes: tuple[str, ...], *, new_refresh: Any
    ) -> None:
        self.tokens.requests.append(TokenRequest(self.command, scopes, account, grant, known))
        if not known:
            self._send(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong credentials"}]})
            return
        token = self.tokens.token(account, scopes)
        issued = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        answer = {"token": token, "access_token": token, "expires_in": self.tokens.lifetime, "issued_at": issued}
        if new_refresh and account is not None:
            answer["refresh_token"] = self.tokens.refresh_token(account)
        self._send(200, answer)

    def _send(self, status: int, answer: Mapping[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _access(scope: str, *, pull_only: bool) -> dict[str, object]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    allowed = [action for action in actions.split(",") if action == "pull" or not pull_only]
    return {"type": kind, "name": name, "actions": allowed}


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
