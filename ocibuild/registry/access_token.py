"""One request to a token server (distribution's token authentication; OAuth2, RFC 6749), and what it answers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from ocibuild.errors import RegistryError
from ocibuild.registry.exchange import Reply, Request, Transport, body_of, read_at_most
from ocibuild.registry.redact import redact_url
from ocibuild.registry.refusal import RefusedError, refused
from ocibuild.registry.secret import Credential, IdentityToken, Login, Secret

CLIENT_ID = "ocibuild"
_REPLY_LIMIT = 64 * 1024
_DEFAULT_LIFETIME = 60.0  # distribution's specification of the token reply
_MARGIN = 5.0
_TOKEN = re.compile(r"[!-~]+", re.ASCII)
# What token servers without OAuth2 say to a POST: JFrog 401, ACR 400, Google 404 (containerd's authorizer).
_NO_OAUTH2 = frozenset({400, 401, 404, 405})


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; the times are of `time.monotonic`."""

    secret: Secret
    expires: float
    lifetime: float

    def lasts(self, now: float, *, long: bool) -> bool:
        """Whether it is worth sending; before a `long` transfer at least half of its life has to be left."""
        return self.expires - now > (max(_MARGIN, self.lifetime / 2) if long else _MARGIN)


@dataclass(frozen=True, slots=True)
class TokenServer:
    """Where a challenge sends us. `admit` is the policy's check of the address; `transport` follows no redirects."""

    transport: Transport
    realm: str
    service: str | None
    admit: Callable[[str], None]
    trace: Callable[[Request, Reply], None]

    def fetch(self, credential: Credential | None, scopes: Sequence[str]) -> Token:
        """A token for the scopes, as far as the server grants them. RefusedError where it gives none."""
        if isinstance(credential, IdentityToken):
            try:
                return self._post(credential, scopes)
            except RefusedError as problem:
                if problem.refusal.status not in _NO_OAUTH2:
                    raise
            credential = Login("<token>", credential.token)
        return self._get(credential if isinstance(credential, Login) else None, scopes)

    def _get(self, login: Login | None, scopes: Sequence[str]) -> Token:
        query = [("service", self.service)] if self.service else []
        query += [("scope", scope) for scope in scopes]
        joint = "&" if "?" in self.realm else "?"
        url = f"{self.realm}{joint if query else ''}{'&'.join(f'{name}={quote(str(value))}' for name, value in query)}"
        headers = {"Authorization": login.basic} if login else {}
        return self._token(Request("GET", url, headers, admit=self.admit), anonymous=login is None)

    def _post(self, credential: IdentityToken, scopes: Sequence[str]) -> Token:
        form: Mapping[str, str] = {
            "grant_type": "refresh_token",
            "refresh_token": credential.token.reveal(),
            "client_id": CLIENT_ID,
            "service": self.service or "",
            "scope": " ".join(scopes),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = body_of(urlencode(form).encode())
        return self._token(Request("POST", self.realm, headers, body, admit=self.admit), anonymous=False)

    def _token(self, request: Request, *, anonymous: bool) -> Token:
        asked = time.monotonic()
        reply = self.transport.send(request)
        self.trace(request, reply)
        if reply.status != 200:
            raise refused(request.method, request.url, reply, anonymous=anonymous)
        try:
            document = json.loads(read_at_most(reply, _REPLY_LIMIT))
            text = document.get("token") or document.get("access_token")
            lifetime = float(document.get("expires_in") or 0)
        except (ValueError, AttributeError, TypeError, RecursionError, OverflowError) as error:
            raise _no_token(request) from error
        finally:
            reply.close()
        if not isinstance(text, str) or not _TOKEN.fullmatch(text):
            raise _no_token(request)
        lifetime = lifetime if lifetime > 0 else _DEFAULT_LIFETIME
        return Token(Secret(text), asked + lifetime, lifetime)


def _no_token(request: Request) -> RegistryError:
    return RegistryError("a token server answered without a token", where=f"{request.method} {redact_url(request.url)}")
