"""One scripted rule: which requests it takes, and what it does to them."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from . import edits
from .edits import Edit
from .headers import Headers
from .journal import method_matches
from .messages import Ending, Framing, Reply, Request, Wait

ALWAYS = None
Predicate = Callable[[Request], bool]


@dataclass(frozen=True, slots=True)
class ResetIntake:
    """Read that many bytes of the request body, then reset the connection."""

    after: int


@dataclass(frozen=True, slots=True)
class EarlyReply:
    """Answer after that many bytes of the request body; then `KEEP` drains the rest and goes on."""

    reply: Reply
    after: int
    ending: Ending


@dataclass(frozen=True, slots=True)
class Hold:
    """A wait before the body is read, or before the reply."""

    wait: Wait
    before_body: bool


class Rule:
    """Built by `server.on(...)` or `server.quirk(...)`; every method adds one effect and returns the rule.

    `hits` tells how many requests the rule has taken.
    """

    def __init__(
        self, method: str, path: str, *, times: int | None, skip: int, where: Predicate | None, before_auth: bool
    ) -> None:
        self._method, self._path, self._where = method, path, where
        self._times, self._skip = times, skip
        self.before_auth = before_auth
        self.hits = 0
        self.holds: list[Hold] = []
        self.intake: ResetIntake | EarlyReply | None = None
        self.hidden: tuple[str, ...] = ()
        self.answer: Callable[[Request], Reply] | None = None
        self.changes: list[Edit] = []
        self.hooks: list[Callable[[Request], object]] = []

    def takes(self, request: Request) -> bool:
        """Whether this request is the rule's; counts `skip` and `times` down (the script holds the lock)."""
        if self.spent or not self._matches(request):
            return False
        if self._skip:
            self._skip -= 1
            return False
        self.hits += 1
        return True

    @property
    def spent(self) -> bool:
        return self._times is not None and self.hits >= self._times

    @property
    def unused(self) -> bool:
        """Whether a rule with a number of times is still waiting for requests."""
        return self._times is not None and not self.spent

    def _matches(self, request: Request) -> bool:
        return (
            method_matches(request.method, self._method)
            and fnmatch.fnmatchcase(request.path, self._path)
            and (self._where is None or self._where(request))
        )

    def __repr__(self) -> str:
        return f"Rule({self._method} {self._path}, hits={self.hits}, times={self._times})"

    # Instead of the registry's own answer

    def respond(self, status: int, headers: Mapping[str, str] | None = None, body: bytes | str = b"") -> Self:
        """This reply, and nothing is done to the registry's contents."""
        data = body.encode() if isinstance(body, str) else body
        return self.reply(Reply(status, Headers.of(headers or {}), data))

    def reply(self, reply: Reply) -> Self:
        return self.reply_with(lambda _: reply)

    def reply_with(self, answer: Callable[[Request], Reply]) -> Self:
        self.answer = answer
        return self

    def redirect(self, url: str | Callable[[Request], str], status: int = 307) -> Self:
        """A redirect; see `same_target_on` for the same path on another server."""

        def answer(request: Request) -> Reply:
            target = url if isinstance(url, str) else url(request)
            return Reply(status, Headers.of({"Location": target}))

        return self.reply_with(answer)

    # Around the request body

    def delay(self, wait: Wait, *, before_body: bool = False) -> Self:
        """Hold the exchange until the event is set, or that many seconds; closing the server ends the wait."""
        self.holds.append(Hold(wait, before_body))
        return self

    def reset_after(self, bytes_read: int) -> Self:
        self.intake = ResetIntake(bytes_read)
        return self

    def early_reply(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        after: int = 0,
        ending: Ending = Ending.CLOSE,
    ) -> Self:
        """Answer before the body has been read, then close, reset, or keep the connection."""
        self.intake = EarlyReply(Reply(status, Headers.of(headers or {}), body), after, ending)
        return self

    def ignoring(self, *names: str) -> Self:
        """Answer as if the request had not carried these fields (`Range`, `If-None-Match`)."""
        self.hidden = names
        return self

    def call(self, hook: Callable[[Request], object]) -> Self:
        """Run a function after the work is done and before the reply is sent."""
        self.hooks.append(hook)
        return self

    # On the reply

    def edit(self, *changes: Edit) -> Self:
        self.changes.extend(changes)
        return self

    def status(self, code: int) -> Self:
        return self.edit(edits.status(code))

    def header(self, name: str, value: str) -> Self:
        return self.edit(edits.header(name, value))

    def without_header(self, name: str) -> Self:
        return self.edit(edits.no_header(name))

    def content_digest(self, digest: str | None) -> Self:
        """A lie in Docker-Content-Digest, or None to leave it out."""
        name = "Docker-Content-Digest"
        return self.without_header(name) if digest is None else self.header(name, digest)

    def content_type(self, value: str) -> Self:
        return self.header("Content-Type", value)

    def location(self, rewrite: str | Callable[[str], str]) -> Self:
        """Another Location; see `absolute` and `last_segment` for rewrites."""
        return self.edit(edits.location(rewrite))

    def stale_range(self) -> Self:
        return self.edit(edits.stale_range())

    def cookie(self, value: str) -> Self:
        return self.edit(edits.added_header("Set-Cookie", value))

    def challenge(self, text: str) -> Self:
        """One more WWW-Authenticate field."""
        return self.edit(edits.added_header("WWW-Authenticate", text))

    def retry_after(self, value: int | str | timedelta) -> Self:
        return self.edit(edits.retry_after(value))

    def flip_byte(self, offset: int) -> Self:
        return self.edit(edits.body(edits.flipped(offset)))

    def append_bytes(self, extra: bytes) -> Self:
        return self.edit(edits.body(lambda data: data + extra))

    def drop_last_bytes(self, count: int) -> Self:
        """A shorter body with a Content-Length that fits it; `cut_response` breaks off instead."""
        return self.edit(edits.body(lambda data: data[:-count]))

    def replace_body(self, data: bytes) -> Self:
        return self.edit(edits.body(lambda _: data))

    def gzip_encoding(self, *, compress: bool = False) -> Self:
        return self.edit(edits.gzip_encoding(compress=compress))

    # On its way over the wire

    def chunked(self) -> Self:
        """Transfer-Encoding: chunked, no Content-Length."""
        return self.edit(edits.framing(Framing.CHUNKED))

    def until_close(self) -> Self:
        """Neither length nor chunks: the end of the connection is the end of the body."""
        return self.edit(edits.framing(Framing.UNTIL_CLOSE))

    def cut_response(self, after_bytes: int, *, reset: bool = False) -> Self:
        return self.edit(edits.cut(after_bytes, reset=reset))

    def stall_response(self, after_bytes: int, wait: Wait) -> Self:
        return self.edit(edits.stall(after_bytes, wait))

    def hang_up(self, *, reset: bool = False) -> Self:
        """The work is done, but the connection ends without a reply."""
        return self.edit(edits.silence(reset=reset))

    def close_quietly(self) -> Self:
        """Reply in full, then close although keep-alive was promised."""
        return self.edit(edits.ending(Ending.QUIET_CLOSE))

    def raw(self, data: bytes) -> Self:
        """Bytes that need not be HTTP."""
        return self.edit(edits.raw(data))

    def visible(self, request: Request) -> Request:
        """The request as the registry is to see it."""
        return replace(request, headers=request.headers.without(*self.hidden)) if self.hidden else request

    def edited(self, request: Request, reply: Reply) -> Reply:
        for change in self.changes:
            reply = change(request, reply)
        return reply


def has_query(name: str) -> Predicate:
    """Requests that carry this query parameter, such as `mount` or `digest`."""
    return lambda request: bool(request.values(name))


def has_header(name: str) -> Predicate:
    return lambda request: name in request.headers
