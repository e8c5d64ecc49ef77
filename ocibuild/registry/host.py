"""One registry as a session knows it: its scheme, what it asks for, how many requests it bears, what worked with it.

`Host.send` takes one request of ours to its final reply: authorization (once more after a 401), redirects by our policy,
a place in the limiter, a line in the trace. It never tries again; that is `retry`'s work.

`upload_strategy` is what worked for the last blob, `holders` where on this host a blob is known to be.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from ocibuild.errors import OcibuildError, RegistryError
from ocibuild.events import Noted
from ocibuild.oci.digest import Digest
from ocibuild.oci.reference import Reference
from ocibuild.registry.auth import Authorizer
from ocibuild.registry.calls import Answer, Call
from ocibuild.registry.contact import find_origin
from ocibuild.registry.exchange import Reply, Request, Transport, UnreachableError
from ocibuild.registry.explain import to_error
from ocibuild.registry.limiter import Limiter
from ocibuild.registry.origin import OriginPolicy, Purpose, origin_of
from ocibuild.registry.redact import printable, redact_url
from ocibuild.registry.retry import Problem, Retrier, parse_http_date
from ocibuild.registry.settings import Settings
from ocibuild.registry.strategy import Strategy

T = TypeVar("T")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_OF_ALL_METHODS = frozenset({307, 308})
_MOST_REDIRECTS = 5
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
# What makes a token worth renewing before it is sent: bodies above this take a while on a slow line.
_LONG_BODY = 4 * 1024 * 1024


class Host:
    """A registry by the name that stands in references (`ghcr.io`, `localhost:5000`, `docker.io`)."""

    def __init__(self, name: str, settings: Settings, transport: Transport, retrier: Retrier) -> None:
        self.name = name
        self.settings = settings
        self.retrier = retrier
        self.limiter = Limiter(settings.concurrency)
        self.upload_strategy = Strategy.WHOLE
        self.holders: dict[Digest, Reference] = {}
        self._transport = transport
        self._contact_lock = threading.Lock()
        self._contact: tuple[OriginPolicy, Authorizer] | None = None
        self._warnings: set[str] = set()
        self.clock_skew: timedelta | None = None
        """How far this machine's clock is ahead of the registry's, once it was met; None if it does not tell."""

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

    def run(self, operation: Callable[[], T], subject: str) -> T:
        """What `operation` returns, which may take some attempts. `subject` says in an error what was asked for: "to ..."."""
        return self.retrier.run(operation, self.explain(subject))

    def explain(self, subject: str) -> Callable[[Problem, str], OcibuildError]:
        """What makes the error of a problem that was met on the way."""
        return partial(to_error, host=self.name, subject=subject)

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

    def _met(self) -> tuple[OriginPolicy, Authorizer]:
        with self._contact_lock:
            if self._contact is None:
                self._contact = self._meet()
            return self._contact

    def _meet(self) -> tuple[OriginPolicy, Authorizer]:
        """Find the registry's origin and what it asks for, by one request to `/v2/`."""
        origin, reply, request = find_origin(self.name, self.settings.plain_http, self._exchange)
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
        self.clock_skew = _skew(reply.header("Date"))
        reply.close()
        return policy, authorizer


def _request(call: Call, url: str, authorization: str | None, admit: Callable[[str], None] | None = None) -> Request:
    headers = dict(call.headers)
    if authorization is not None:
        headers["Authorization"] = authorization
    request = Request(call.method, url, headers, call.body, call.wait)
    return request if admit is None else Request(call.method, url, headers, call.body, call.wait, admit)


def _skew(date: str | None) -> timedelta | None:
    moment = parse_http_date(date or "")
    return datetime.now(UTC) - moment if moment else None


def _is_redirect(method: str, status: int) -> bool:
    # A PUT that a 302 turns into a GET would look like a success without having stored anything.
    return status in (_REDIRECTS if method in ("GET", "HEAD") else _REDIRECTS_OF_ALL_METHODS)


def _is_worth_another(reply: Reply, sent: str | None) -> bool:
    """Whether a 401 may be answered with other credentials: none were sent, or a token that may have run out."""
    if sent is None:
        return True
    challenges = " ".join(reply.header_values("WWW-Authenticate")).lower()
    return sent.startswith("Bearer ") and "insufficient_scope" not in challenges
