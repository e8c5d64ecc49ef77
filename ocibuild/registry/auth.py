"""Authorization for the requests to one registry: what it asked for, our own scopes, and the tokens that are valid.

The scope is always built from the repository that is worked on: the one in a challenge may be a placeholder (GHCR shows
`repository:user/image:pull`), and a token for it would open nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ocibuild.errors import AuthError
from ocibuild.events import Emit, Noted
from ocibuild.oci.reference import Reference
from ocibuild.registry.access_token import Token, TokenServer
from ocibuild.registry.challenge import Challenge, choose, parse_challenges
from ocibuild.registry.credentials import FindCredential
from ocibuild.registry.exchange import Reply, Request, Transport
from ocibuild.registry.origin import OriginPolicy, Purpose, is_loopback_host
from ocibuild.registry.secret import Found, Login, RegistryToken


@dataclass(frozen=True, slots=True)
class Access:
    """What a request needs: the repository it is about, and the scopes of the token server's language."""

    reference: Reference
    scopes: tuple[str, ...]


def access_to(reference: Reference, actions: str, *, mount_from: Reference | None = None) -> Access:
    """`actions` (such as `pull,push`) on the repository of `reference`, which comes first: some servers read no further."""
    scopes = [f"repository:{reference.repository}:{actions}"]
    if mount_from is not None:
        scopes.append(f"repository:{mount_from.repository}:pull")
    return Access(reference, tuple(scopes))


@dataclass(slots=True)
class _Cell:
    """The token for one set of scopes; the lock is held while one is fetched, so that only one thread does."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: Token | None = None


class Authorizer:
    """Knows what one registry wants to see. Safe to use from many threads."""

    def __init__(
        self,
        host: str,
        policy: OriginPolicy,
        transport: Transport,
        *,
        find: FindCredential,
        emit: Emit,
        trace: Callable[[Request, Reply], None],
    ) -> None:
        self._host = host
        self._policy = policy
        self._transport = transport
        self._find = find
        self._emit = emit
        self._trace = trace
        self._asked: tuple[str, Challenge] | None = None
        self._lock = threading.Lock()
        self._found: dict[str, Found] = {}
        self._cells: dict[tuple[str, tuple[str, ...]], _Cell] = {}
        self._warned: set[str] = set()

    @property
    def scheme(self) -> str | None:
        """`bearer`, `basic`, or None for a registry that has not asked for anything."""
        return self._asked[1].scheme if self._asked else None

    def learn(self, url: str, fields: Iterable[str]) -> bool:
        """Take up the challenges of the reply to `url`; False where there is none that we can meet."""
        challenge = choose(parse_challenges(fields))
        if challenge is None:
            return False
        self._asked = url, challenge
        return True

    def credential(self, reference: Reference) -> Found:
        """The credential that is used for a reference, and its source. AuthError where a source cannot be read."""
        with self._lock:  # a helper may ask its user something: once
            if reference.name not in self._found:
                found = self._find(reference)
                self._found[reference.name] = found
                if found.warning:
                    self._emit(Noted(found.warning, warning=True))
            return self._found[reference.name]

    def is_anonymous(self, reference: Reference) -> bool:
        """Whether no credential has been used for a reference so far; no source is asked for one."""
        found = self._found.get(reference.name)
        return found is None or found.credential is None

    def authorization(self, access: Access, *, long: bool = False, rejected: str | None = None) -> str | None:
        """The Authorization header for a request; None where the registry wants none.

        `long` is for a request that takes a while, `rejected` the header that was just refused. AuthError where the
        registry asks for what we do not have; RefusedError or UnreachableError from its token server.
        """
        asked = self._asked
        if asked is None:
            return None
        found = self.credential(access.reference)
        if isinstance(found.credential, RegistryToken):
            return f"Bearer {found.credential.token.reveal()}"
        if asked[1].scheme == "basic":
            return self._basic(found)
        return self._bearer(asked, found, access, long=long, rejected=rejected)

    def _basic(self, found: Found) -> str:
        if isinstance(found.credential, Login):
            return found.credential.basic
        raise AuthError(
            f"{self._host} asks for a user name and a password",
            where=f"credentials: {found.source}",
            hint=f"log in with `ocibuild login {self._host}`",
        )

    def _bearer(
        self, asked: tuple[str, Challenge], found: Found, access: Access, *, long: bool, rejected: str | None
    ) -> str:
        with self._lock:
            cell = self._cells.setdefault((access.reference.name, access.scopes), _Cell())
        with cell.lock:
            if (
                cell.token is None
                or not cell.token.lasts(time.monotonic(), long=long)
                or _header(cell.token) == rejected
            ):
                cell.token = None
                cell.token = self._server(*asked, found).fetch(found.credential, access.scopes)
            return _header(cell.token)

    def _server(self, url: str, challenge: Challenge, found: Found) -> TokenServer:
        realm = self._policy.follow(url, challenge.parameters["realm"], Purpose.REALM)
        if found.credential is not None:
            self._warn_of_strangers(realm)
        return TokenServer(
            self._transport,
            realm,
            challenge.parameters.get("service"),
            self._policy.admission(realm, Purpose.REALM),
            self._trace,
        )

    def _warn_of_strangers(self, realm: str) -> None:
        """Say so before a password goes to a token server under another domain than the registry's."""
        stranger = urlsplit(realm).hostname or ""
        own = self._policy.registry.host
        if is_loopback_host(stranger) or _domain(stranger) == _domain(own) or stranger in self._warned:
            return
        self._warned.add(stranger)
        self._emit(
            Noted(f"{self._host} sends its users to the token server {stranger}: it sees the password", warning=True)
        )


def _header(token: Token) -> str:
    return f"Bearer {token.secret.reveal()}"


def _domain(host: str) -> str:
    """Roughly the part of a host name that is registered: two labels, three below `co.uk` and its like."""
    labels = host.split(".")
    if labels[-1].isdigit() or ":" in host:
        return host
    is_second_level = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3 if is_second_level else -2 :])
