"""The token server: GET with Basic, POST with OAuth2 grants, opaque tokens that can run out."""

from __future__ import annotations

import enum
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs

from .credentials import basic_credentials
from .messages import Reply, Request, document, entry, error
from .scopes import Scope

Grant = Callable[[str | None, Scope], frozenset[str]]
"""The actions that an account (None: anonymous) gets of those a scope asks for."""


class Verdict(enum.Enum):
    """What a token is worth for a request."""

    MISSING = "missing"
    DEAD = "dead"
    TOO_LITTLE = "too little"
    GRANTED = "granted"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request to the token server, as it was understood; `grant_type` is empty for GET."""

    method: str
    account: str | None
    scopes: tuple[str, ...]
    service: str | None
    client_id: str | None
    grant_type: str
    status: int


@dataclass(slots=True)
class _Token:
    granted: tuple[Scope, ...]
    uses_left: int | None
    dies_at: float | None

    def alive(self, now: float) -> bool:
        return self.uses_left != 0 and (self.dies_at is None or now < self.dies_at)

    def allows(self, need: Scope) -> bool:
        actions = {action for scope in self.granted if _same(scope, need) for action in scope.actions}
        return need.actions <= actions or "*" in actions


def users_all_anonymous_pull(account: str | None, scope: Scope) -> frozenset[str]:
    """Accounts get what they ask for, everybody else may pull."""
    return scope.actions if account is not None else scope.actions & {"pull"}


@dataclass(slots=True)
class TokenService:
    """Issues and judges tokens; every field may be changed between requests.

    `lifetime` (seconds) and `uses` say when a token really dies, `expires_in` what the reply claims (None: nothing).
    """

    users: dict[str, str] = field(default_factory=dict)
    grant: Grant = users_all_anonymous_pull
    lifetime: float | None = None
    uses: int | None = None
    expires_in: int | None = 300
    key: Literal["token", "access_token", "both"] = "token"
    post_status: int = 200
    """Anything else switches POST off with that status (404, 405, 400, 401)."""
    first_scope_only: bool = False
    deny_partial_grants: bool = False
    """403 DENIED unless all that is asked for is granted; else the token holds the part that is."""
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    """Refresh token -> account. One is issued when `offline_token` or `access_type=offline` is asked for."""
    clock: Callable[[], float] = time.monotonic
    asked: list[TokenRequest] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    """Every token and refresh token ever given out, to search outputs for."""
    _tokens: dict[str, _Token] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expire_tokens(self, *_: object) -> None:
        """Kill every token that is out (takes and ignores arguments, so that it can be a hook of `Rule.call`)."""
        with self._lock:
            self._tokens.clear()

    def judge(self, value: str | None, needs: Sequence[Scope]) -> Verdict:
        """Whether the token opens these scopes; each call counts as one use."""
        if value is None:
            return Verdict.MISSING
        with self._lock:
            token = self._tokens.get(value)
            if token is None or not token.alive(self.clock()):
                return Verdict.DEAD
            if token.uses_left is not None:
                token.uses_left -= 1
            return Verdict.GRANTED if all(token.allows(need) for need in needs) else Verdict.TOO_LITTLE

    def answer(self, request: Request) -> Reply:
        form = _form(request)
        account, refusal = self._identify(request, form)
        scopes = [scope for text in form.get("scope", []) for scope in text.split()]
        reply = refusal or self._reply(account, scopes, form)
        self.asked.append(
            TokenRequest(
                request.method,
                account,
                tuple(scopes),
                _first(form, "service"),
                _first(form, "client_id"),
                _first(form, "grant_type") or "",
                reply.status,
            )
        )
        return reply

    def _identify(self, request: Request, form: dict[str, list[str]]) -> tuple[str | None, Reply | None]:
        """The account, or a refusal."""
        if request.method == "POST":
            return self._identify_grant(form)
        if request.method != "GET":
            return None, error(405, "UNSUPPORTED")
        given = basic_credentials(request)
        if given is None:
            refused = "Authorization" in request.headers
            return None, error(401, "UNAUTHORIZED") if refused else None
        return self._identify_user(*given)

    def _identify_grant(self, form: dict[str, list[str]]) -> tuple[str | None, Reply | None]:
        if self.post_status != 200:
            return None, error(self.post_status, "UNSUPPORTED")
        match _first(form, "grant_type"):
            case "password":
                return self._identify_user(_first(form, "username") or "", _first(form, "password") or "")
            case "refresh_token":
                account = self.refresh_tokens.get(_first(form, "refresh_token") or "")
                return account, None if account else document(400, {"error": "invalid_grant"})
            case _:
                return None, document(400, {"error": "unsupported_grant_type"})

    def _identify_user(self, user: str, password: str) -> tuple[str | None, Reply | None]:
        if self.users.get(user) == password:
            return user, None
        return user, error(401, entry("UNAUTHORIZED", "incorrect username or password"))

    def _reply(self, account: str | None, asked: Sequence[str], form: dict[str, list[str]]) -> Reply:
        scopes = [Scope.parse(text) for text in asked][: 1 if self.first_scope_only else None]
        granted = tuple(Scope(scope.type, scope.name, self.grant(account, scope)) for scope in scopes)
        if self.deny_partial_grants and any(_lacks(scope, asked) for scope, asked in zip(granted, scopes, strict=True)):
            return error(403, entry("DENIED", "requested access to the resource is denied"))
        value = self._issue(granted)
        fields: dict[str, object] = dict.fromkeys(
            ["token", "access_token"] if self.key == "both" else [self.key], value
        )
        if self.expires_in is not None:
            fields["expires_in"] = self.expires_in
        if account and (_first(form, "offline_token") == "true" or _first(form, "access_type") == "offline"):
            fields["refresh_token"] = self._refresh_token(account)
        return document(200, fields)

    def _issue(self, granted: tuple[Scope, ...]) -> str:
        value = f"opaque-{secrets.token_hex(16)}"
        dies_at = None if self.lifetime is None else self.clock() + self.lifetime
        with self._lock:
            self._tokens[value] = _Token(granted, self.uses, dies_at)
        self.issued.append(value)
        return value

    def _refresh_token(self, account: str) -> str:
        value = f"refresh-{secrets.token_hex(16)}"
        self.refresh_tokens[value] = account
        self.issued.append(value)
        return value


def _form(request: Request) -> dict[str, list[str]]:
    raw = request.body.decode() if request.method == "POST" else request.query
    return parse_qs(raw, keep_blank_values=True)


def _first(form: dict[str, list[str]], name: str) -> str | None:
    return next(iter(form.get(name, [])), None)


def _same(scope: Scope, need: Scope) -> bool:
    return (scope.type, scope.name) == (need.type, need.name)


def _lacks(granted: Scope, asked: Scope) -> bool:
    return granted.actions < asked.actions
