"""One connection: requests in, answers out, until one side has enough. Every wait has an end."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from ocibuild.server.framing import Body, BrokenBodyError, FramingError, body_length
from ocibuild.server.heads import Head, HeadError, read_head
from ocibuild.server.messages import Answer, FilePart, Request, refusal_answer
from ocibuild.server.refusal import Code, refuse

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LITTLE = 1 << 18  # bytes of a body that nobody wants, which are rather read than the connection closed
_BUFFER = 1 << 16
_TLS_HANDSHAKE = b"\x16"


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a server, whatever its clients do; times in seconds."""

    connections: int = 128  # further ones wait in the system's queue, and idle ones make room for them
    idle: float = 60.0  # between two requests
    head: float = 15.0  # for a whole head, so that a client that sends a byte a second comes to an end too
    stall: float = 60.0  # without one byte moving, in a body
    linger: float = 2.0  # to read the last answer


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a connection tells its server, and asks of it."""

    answer: Callable[[Request], Answer]
    trace: Callable[[str], None]
    set_idle: Callable[[socket.socket, bool], None]


class _TimedSocket(io.RawIOBase):
    """The reading side of a socket. No read waits longer than a stall may last, or than to the deadline if there is one."""

    def __init__(self, connection: socket.socket, stall: float) -> None:
        self._connection = connection
        self._stall = stall
        self.deadline: float | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        patience = self._stall if self.deadline is None else self.deadline - time.monotonic()
        if patience <= 0:
            raise TimeoutError("the time is up")
        self._connection.settimeout(patience)
        return self._connection.recv_into(buffer)


class Connection:
    """Serves one client."""

    def __init__(self, connection: socket.socket, callbacks: Callbacks, limits: Limits) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._callbacks = callbacks
        self._limits = limits
        self._timed = _TimedSocket(connection, limits.stall)
        self._stream = io.BufferedReader(self._timed, _BUFFER)

    def serve(self) -> None:
        """Answer one request after the other, to the end. OSError or BrokenBodyError where the client goes away."""
        while self._wait_for_request() and self._serve_one():
            pass
        self._linger()

    def _wait_for_request(self) -> bool:
        self._timed.deadline = time.monotonic() + self._limits.idle
        self._callbacks.set_idle(self._connection, True)
        try:
            return bool(self._stream.peek(1))
        finally:
            self._callbacks.set_idle(self._connection, False)

    def _serve_one(self) -> bool:
        """Whether another request may follow."""
        self._timed.deadline = time.monotonic() + self._limits.head
        try:
            if (
                self._stream.peek(1)[:1] == _TLS_HANDSHAKE
            ):  # no end of line need follow: clients that try TLS first wait
                raise HeadError("this server speaks HTTP without TLS")
            head = read_head(self._stream)
            request = self._request(head)
        except (HeadError, FramingError) as error:
            status = error.status if isinstance(error, HeadError) else HTTPStatus.BAD_REQUEST
            self._send(refusal_answer(refuse(status, Code.UNSUPPORTED, str(error))), is_last=True)
            return False
        self._timed.deadline = None
        started = time.monotonic()
        answer = self._callbacks.answer(request)
        is_last = head.is_last or not _can_skip(request.body, head)
        self._callbacks.trace(f"{head.method} {head.target} {answer.status} {time.monotonic() - started:.3f}s")
        self._send(answer, is_last=is_last, with_body=head.method != "HEAD")
        if not is_last and not request.body.is_finished:
            for _ in request.body.pieces():
                pass
        return not is_last

    def _request(self, head: Head) -> Request:
        length = body_length(head.values("content-length"), head.values("transfer-encoding"))
        before_reading = self._say_continue if head.expects_continue else lambda: None
        return Request(head.method, head.path, head.query, head.headers, Body(self._stream, length, before_reading))

    def _say_continue(self) -> None:
        self._connection.settimeout(self._limits.stall)
        self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send(self, answer: Answer, *, is_last: bool, with_body: bool = True) -> None:
        self._connection.settimeout(self._limits.stall)
        head, body = _head(answer, is_last=is_last), answer.body
        if isinstance(body, FilePart):
            with body.file:
                self._connection.sendall(head)
                if with_body and body.length:
                    self._send_file(body)
        else:
            self._connection.sendall(head + body if with_body else head)

    def _send_file(self, part: FilePart) -> None:
        if self._connection.sendfile(part.file, part.start, part.length) != part.length:
            raise ConnectionError("the file has become shorter: the client must not wait for the rest")

    def _linger(self) -> None:
        """Let the client read the last answer: closing on bytes that were not read would reset the connection (RFC 9112 9.6)."""
        self._connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + self._limits.linger
        while (patience := deadline - time.monotonic()) > 0:
            self._connection.settimeout(patience)
            if not self._connection.recv(_BUFFER):
                return


def converse(connection: socket.socket, callbacks: Callbacks, limits: Limits) -> None:
    """Serve a client until it, or this side, has enough. The connection is closed then."""
    with connection, suppress(OSError, BrokenBodyError):  # it is the client that went away, or stands still
        Connection(connection, callbacks, limits).serve()


def _can_skip(body: Body, head: Head) -> bool:
    """Whether the stream stands behind the body, or can be brought there at no great cost."""
    if body.is_finished:
        return True
    will_come = body.is_untouched and not head.expects_continue
    return will_come and body.length is not None and body.length <= _LITTLE


def _head(answer: Answer, *, is_last: bool) -> bytes:
    status = HTTPStatus(answer.status)
    headers = {"Date": formatdate(usegmt=True), **answer.headers}
    if status is not HTTPStatus.NO_CONTENT:
        headers["Content-Length"] = str(answer.length)
    if is_last:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
