"""One registry as a session knows it: its scheme, what it asks for, how many requests it bears, what worked with it.

`Host.send` takes one request of ours to its final reply: authorization (once more after a 401), redirects by our policy,
a place in the limiter, a line in the trace. It never tries again; that is `retry`'s work.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import TracebackType
from typing import Self

from ocibuild.errors import RegistryError
from ocibuild.events import Noted
from ocibuild.oci.reference import DOCKER_HUB
from ocibuild.registry.auth import Access, Authorizer
from ocibuild.registry.exchange import Body, Reply, Request, Transport, Trouble, UnreachableError
from ocibuild.registry.limiter import Lane, Limiter
from ocibuild.registry.origin import OriginPolicy, Purpose, is_loopback_host, origin_of
from ocibuild.registry.redact import printable, redact_url
from ocibuild.registry.refusal import refused
from ocibuild.registry.settings import Settings

_HUB_API = "registry-1.docker.io"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_OF_ALL_METHODS = frozenset({307, 308})
_MOST_REDIRECTS = 5
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
# What makes a token worth renewing before it is sent: bodies above this take a while on a slow line.
_LONG_BODY = 4 * 1024 * 1024


class Strategy(IntEnum):
    """How the bytes of a blob are sent; each next one is for registries that refuse the one before it."""

    WHOLE = 0
    STREAM = 1
    CHUNKS = 2


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a registry. `target` is a path on it, or an address that it gave (`purpose` says for what)."""

    method: str
    target: str
    access: Access
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    lane: Lane = Lane.SMALL
    wait: float | None = None
    purpose: Purpose = Purpose.LOCATION


class Answer:
    """The final reply to a call, and the address it came from. A context manager; holds its place in the limiter."""

    def __init__(self, reply: Reply, request: Request, release: Callable[[], None]) -> None:
        self._reply = reply
        self._release: Callable[[], None] | None = release
        self.request = request

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        return self.request.url

    @property
    def status(self) -> int:
        return self._reply.status

    def header(self, name: str) -> str | None:
        """The first value of a header field; None where it is absent."""
        return self._reply.header(name)

    def header_values(self, name: str) -> list[str]:
        """Each field of that name, in order."""
        return self._reply.header_values(name)

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent."""
        return self._reply.chunks()

    def close(self) -> None:
        """Let the connection and the place in the limiter go. May be called twice."""
        self._reply.close()
        release, self._release = self._release, None
        if release is not None:
            release()


class Host:
    """A registry by the name that stands in references (`ghcr.io`, `localhost:5000`, `docker.io`)."""

    def __init__(self, name: str, settings: Settings, transport: Transport) -> None:
        self.name = name
        self.settings = settings
        self.limiter = Limiter(settings.concurrency)
        self.upload_strategy = Strategy.WHOLE
        self._transport = transport
        self._contact_lock = threading.Lock()
        self._contact: tuple[OriginPolicy, Authorizer] | None = None
        self._warnings: set[str] = set()

    @property
    def policy(self) -> OriginPolicy:
        """What this registry may make us do; the first use asks it whether it speaks TLS."""
        return self._met()[0]

    @property
    def authorizer(self) -> Authorizer:
        """What this registry wants to see; the first use asks it."""
        return self._met()[1]

    def url(self, target: str) -> str:
        """`target` as an absolute address."""
        return f"{self.policy.registry}{target}" if target.startswith("/") else target

    def send(self, call: Call) -> Answer:
        """The final reply to `call`, whatever its status. UnreachableError where none comes; AuthError, RegistryError where the
        registry asks for credentials that are not there, or sends us where we do not go."""
        url = self.url(call.target)
        self.limiter.acquire(call.lane)
        try:
            reply, request = self._follow(call, url)
        except BaseException:
            self.limiter.release(call.lane)
            raise
        return Answer(reply, request, lambda: self.limiter.release(call.lane))

    def _follow(self, call: Call, url: str) -> tuple[Reply, Request]:
        purpose = call.purpose
        for _ in range(_MOST_REDIRECTS + 1):
            reply, request = self._authorized(call, url, purpose)
            target = reply.header("Location")
            if target is None or not _is_redirect(call.method, reply.status):
                return reply, request
            reply.close()
            url, purpose = self.policy.follow(url, target, Purpose.REDIRECT), Purpose.REDIRECT
        raise RegistryError(f"{self.name} redirects without end", where=f"{call.method} {redact_url(call.target)}")

    def _authorized(self, call: Call, url: str, purpose: Purpose) -> tuple[Reply, Request]:
        policy, authorizer = self._met()
        if not policy.may_have_credentials(url):
            return self._exchange(_request(call, url, None, policy.admission(url, purpose)))
        long = call.body is not None and call.body.length > _LONG_BODY
        sent = authorizer.authorization(call.access, long=long)
        reply, request = self._exchange(_request(call, url, sent))
        if reply.status != 401 or not _is_worth_another(reply, sent):
            return reply, request
        if not authorizer.learn(url, reply.header_values("WWW-Authenticate")):
            return reply, request
        reply.close()
        renewed = authorizer.authorization(call.access, long=long, rejected=sent)
        return self._exchange(_request(call, url, renewed))

    def _exchange(self, request: Request) -> tuple[Reply, Request]:
        began = time.monotonic()
        try:
            reply = self._transport.send(request)
        except UnreachableError as problem:
            self._trace(f"{request.method} {redact_url(request.url)} failed: {problem.detail}")
            raise
        self._note(request, reply, time.monotonic() - began)
        if reply.status == 429:
            self.limiter.throttled()
        elif reply.status < 300:
            self.limiter.succeeded()
        return reply, request

    def _note(self, request: Request, reply: Reply, seconds: float | None = None) -> None:
        took = "" if seconds is None else f" ({seconds * 1000:.0f} ms)"
        self._trace(f"{request.method} {redact_url(request.url)} -> {reply.status}{took}")
        for text in reply.header_values("Warning"):
            if (match := _WARNING.match(text)) and match[1] not in self._warnings and len(self._warnings) < 20:
                self._warnings.add(match[1])
                self.settings.emit(Noted(f"{self.name} warns: {printable(match[1])}", warning=True))

    def _trace(self, line: str) -> None:
        if self.settings.trace is not None:
            self.settings.trace(line)

    # First contact

    def _met(self) -> tuple[OriginPolicy, Authorizer]:
        with self._contact_lock:
            if self._contact is None:
                self._contact = self._meet()
            return self._contact

    def _meet(self) -> tuple[OriginPolicy, Authorizer]:
        api = _HUB_API if self.name == DOCKER_HUB else self.name
        if self.name in self.settings.plain_http:
            return self._ping(f"http://{api}")
        if not is_loopback_host(self.name):
            return self._ping(f"https://{api}")
        # On this machine both are usual. Plain first: a server that expects TLS answers at once that it does not understand.
        try:
            return self._ping(f"http://{api}", unless_it_is_tls=True)
        except _SpeaksTlsError:
            return self._ping(f"https://{api}")

    def _ping(self, origin: str, *, unless_it_is_tls: bool = False) -> tuple[OriginPolicy, Authorizer]:
        request = Request("GET", f"{origin}/v2/")
        try:
            reply, _ = self._exchange(request)
        except UnreachableError as problem:
            if unless_it_is_tls and problem.trouble is Trouble.BROKEN:
                raise _SpeaksTlsError from problem
            raise
        if unless_it_is_tls and reply.status == 400:
            reply.close()
            raise _SpeaksTlsError
        if reply.status == 429 or reply.status >= 500:
            raise refused(request.method, request.url, reply)
        policy = OriginPolicy(origin_of(origin), self.settings.resolve)
        authorizer = Authorizer(
            self.name,
            policy,
            self._transport,
            find=self.settings.credentials,
            emit=self.settings.emit,
            trace=self._note,
        )
        if reply.status == 401:
            authorizer.learn(request.url, reply.header_values("WWW-Authenticate"))
        reply.close()
        return policy, authorizer


class _SpeaksTlsError(Exception):
    """What answered in the clear does not speak HTTP in the clear."""


def _request(call: Call, url: str, authorization: str | None, admit: Callable[[str], None] | None = None) -> Request:
    headers = dict(call.headers)
    if authorization is not None:
        headers["Authorization"] = authorization
    request = Request(call.method, url, headers, call.body, call.wait)
    return request if admit is None else Request(call.method, url, headers, call.body, call.wait, admit)


def _is_redirect(method: str, status: int) -> bool:
    # A PUT that a 302 turns into a GET would look like a success without having stored anything.
    return status in (_REDIRECTS if method in ("GET", "HEAD") else _REDIRECTS_OF_ALL_METHODS)


def _is_worth_another(reply: Reply, sent: str | None) -> bool:
    """Whether a 401 may be answered with other credentials: none were sent, or a token that may have run out."""
    if sent is None:
        return True
    challenges = " ".join(reply.header_values("WWW-Authenticate")).lower()
    return sent.startswith("Bearer ") and "insufficient_scope" not in challenges
