"""Pure changes to a reply: what a quirk or a fault makes of the registry's honest answer."""

from __future__ import annotations

import gzip
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

from .messages import Delivery, Ending, Framing, Reply, Request, Wait

Edit = Callable[[Request, Reply], Reply]


def status(code: int) -> Edit:
    """Another status for a success (the work stays done); a refusal stays what it is."""
    return lambda _, reply: replace(reply, status=code) if reply.succeeded else reply


def header(name: str, value: str) -> Edit:
    return lambda _, reply: reply.with_header(name, value)


def added_header(name: str, value: str) -> Edit:
    """One more field of that name."""
    return lambda _, reply: replace(reply, headers=reply.headers.add(name, value))


def no_header(name: str) -> Edit:
    return lambda _, reply: replace(reply, headers=reply.headers.without(name))


def location(rewrite: str | Callable[[str], str]) -> Edit:
    """Change the Location of a reply that has one."""

    def edit(_: Request, reply: Reply) -> Reply:
        old = reply.headers.get("Location")
        if old is None:
            return reply
        return reply.with_header("Location", rewrite if isinstance(rewrite, str) else rewrite(old))

    return edit


def absolute(origin: str) -> Callable[[str], str]:
    """Rewrite for `location`: the same path and query on another origin."""
    return lambda old: origin.rstrip("/") + _path_and_query(old)


def last_segment(old: str) -> str:
    """Rewrite for `location`: relative to the request, `<session>?<query>` without a leading slash."""
    return _path_and_query(old).rsplit("/", 1)[1]


def _path_and_query(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def same_target_on(origin: str) -> Callable[[Request], str]:
    """Target for `redirect`: what was asked for, on another origin."""
    return lambda request: origin.rstrip("/") + request.target


def stale_range() -> Edit:
    """Range sticks at the first value seen for an upload session (as ECR does) although more bytes are stored."""
    first: dict[str, str] = {}
    lock = threading.Lock()

    def edit(request: Request, reply: Reply) -> Reply:
        now = reply.headers.get("Range")
        if now is None or request.method == "POST":
            return reply
        with lock:
            return reply.with_header("Range", first.setdefault(request.path, now))

    return edit


def retry_after(value: int | str | timedelta) -> Edit:
    """Seconds, literal text, or a timedelta that is sent as an HTTP date (whole seconds, rounded up)."""

    def edit(_: Request, reply: Reply) -> Reply:
        shown = _http_date(value) if isinstance(value, timedelta) else str(value)
        return reply.with_header("Retry-After", shown)

    return edit


def _http_date(ahead: timedelta) -> str:
    moment = math.ceil((datetime.now(UTC) + ahead).timestamp())
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


def body(transform: Callable[[bytes], bytes]) -> Edit:
    """Another body for a success, with a Content-Length that fits it."""
    return lambda _, reply: replace(reply, body=transform(reply.body)) if reply.succeeded else reply


def flipped(offset: int) -> Callable[[bytes], bytes]:
    """Transform for `body`: every bit of one byte inverted; a negative offset counts from the end."""

    def transform(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[offset] ^= 0xFF
        return bytes(changed)

    return transform


def gzip_encoding(*, compress: bool) -> Edit:
    """Content-Encoding: gzip, either over a body that is compressed for it or (as some proxies do) over the stored one."""

    def edit(_: Request, reply: Reply) -> Reply:
        if not reply.succeeded:
            return reply
        data = gzip.compress(reply.body, mtime=0) if compress else reply.body
        return replace(reply.with_header("Content-Encoding", "gzip"), body=data)

    return edit


def framing(how: Framing) -> Edit:
    return _delivery(lambda delivery: replace(delivery, framing=how))


def ending(how: Ending) -> Edit:
    return _delivery(lambda delivery: replace(delivery, ending=how))


def cut(after: int, *, reset: bool) -> Edit:
    """Only the first bytes of the body are sent, then the connection ends."""
    how = Ending.RESET if reset else Ending.QUIET_CLOSE
    return _delivery(lambda delivery: replace(delivery, cut_after=after, ending=how))


def stall(after: int, wait: Wait) -> Edit:
    """A pause after the first bytes of the body."""
    return _delivery(lambda delivery: replace(delivery, stall_after=after, stall=wait))


def silence(*, reset: bool) -> Edit:
    """No reply at all: the connection just ends."""
    how = Ending.RESET if reset else Ending.QUIET_CLOSE
    return _delivery(lambda delivery: replace(delivery, silent=True, ending=how))


def raw(data: bytes) -> Edit:
    """These bytes instead of an HTTP reply, then the connection ends."""
    return _delivery(lambda delivery: replace(delivery, raw=data, ending=Ending.QUIET_CLOSE))


def _delivery(change: Callable[[Delivery], Delivery]) -> Edit:
    return lambda _, reply: replace(reply, delivery=change(reply.delivery))
