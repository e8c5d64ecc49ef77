"""Who may in: nobody is asked, Basic, or Bearer with its challenge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .credentials import basic_credentials, bearer_token
from .messages import Reply, Request, error
from .scopes import Scope
from .tokens import TokenService, Verdict


class Auth(Protocol):
    """Decides on a request from its head; gives the refusal, or None."""

    def refusal(self, request: Request, needs: Sequence[Scope], origin: str) -> Reply | None: ...


@dataclass(slots=True)
class BasicAuth:
    """One account for everything."""

    user: str
    password: str
    realm: str = "fake"

    def refusal(self, request: Request, needs: Sequence[Scope], origin: str) -> Reply | None:
        if basic_credentials(request) == (self.user, self.password):
            return None
        return challenged([f'Basic realm="{self.realm}"'])


@dataclass(slots=True)
class BearerAuth:
    """Tokens of a `TokenService`; all fields shape the challenge."""

    tokens: TokenService = field(default_factory=TokenService)
    realm: str | None = None
    """None: `/token` on the registry's own origin. May be relative, or on another server."""
    service: str | None = "registry.test"
    """None leaves it out."""
    scope: str | None = None
    """A placeholder that is shown instead of the scope needed, as GHCR does on `/v2/`."""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    """Further challenges around ours."""
    merged: bool = False
    """All challenges in one field, separated by commas."""

    def refusal(self, request: Request, needs: Sequence[Scope], origin: str) -> Reply | None:
        verdict = self.tokens.judge(bearer_token(request), needs)
        if verdict is Verdict.GRANTED:
            return None
        challenges = [*self.before, self._challenge(needs, origin, verdict), *self.after]
        return challenged([", ".join(challenges)] if self.merged else challenges)

    def _challenge(self, needs: Sequence[Scope], origin: str, verdict: Verdict) -> str:
        scope = " ".join(str(need) for need in needs) if self.scope is None else self.scope
        facts = {
            "realm": f"{origin}/token" if self.realm is None else self.realm,
            "service": self.service,
            "scope": scope or None,
            "error": {Verdict.DEAD: "invalid_token", Verdict.TOO_LITTLE: "insufficient_scope"}.get(verdict),
        }
        return "Bearer " + ",".join(f'{name}="{value}"' for name, value in facts.items() if value is not None)


def challenged(challenges: Sequence[str]) -> Reply:
    """401 with these WWW-Authenticate fields."""
    reply = error(401, "UNAUTHORIZED")
    headers = reply.headers
    for challenge in challenges:
        headers = headers.add("WWW-Authenticate", challenge)
    return Reply(reply.status, headers, reply.body)
