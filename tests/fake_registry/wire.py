"""HTTP/1.1 over one socket: heads and bodies in, replies out, and the ways to break a connection."""

from __future__ import annotations

import contextlib
import fcntl
import io
import re
import socket
import ssl
import struct
import termios
import time
from collections.abc import Iterator
from http import HTTPStatus

from .headers import Headers
from .messages import Ending, Framing, Reply

PIECE = 64 * 1024
LAST_CHUNK = b"0\r\n\r\n"
_LINE_LIMIT = 64 * 1024
_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r?\n")
_TLS_HANDSHAKE = b"\x16"
"""First byte of clients that try https first; no end of line need follow, so it must not be waited for."""


class ClientGoneError(Exception):
    """The client closed or reset the connection in the middle of a message."""


class Body:
    """The body of the current request, read piece by piece so that a fault can stop in the middle."""

    def __init__(self, reader: io.BufferedReader[socket.SocketIO], headers: Headers) -> None:
        self._reader = reader
        self._chunked = "chunked" in (headers.get("Transfer-Encoding") or "").lower()
        self._left = 0 if self._chunked else int(headers.get("Content-Length") or 0)
        self._ended = not self._chunked and self._left == 0

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes; empty only at the end of the body."""
        if self._ended or limit <= 0:
            return b""
        if self._left == 0 and not self._next_chunk():
            return b""
        piece = self._reader.read(min(limit, self._left))
        if not piece:
            raise ClientGoneError
        self._left -= len(piece)
        if self._left == 0:
            self._end_of_run()
        return piece

    def pieces(self) -> Iterator[bytes]:
        while piece := self.read(PIECE):
            yield piece

    def _end_of_run(self) -> None:
        if self._chunked:
            self._reader.readline(_LINE_LIMIT)
        else:
            self._ended = True

    def _next_chunk(self) -> bool:
        size = self._reader.readline(_LINE_LIMIT)
        if not size:
            raise ClientGoneError
        self._left = int(size.split(b";")[0], 16)
        if self._left:
            return True
        while self._reader.readline(_LINE_LIMIT) not in {b"\r\n", b"\n", b""}:
            pass
        self._ended = True
        return False


class Channel:
    """One accepted connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = io.BufferedReader(sock.makefile("rb", 0), PIECE)

    def secure(self, context: ssl.SSLContext) -> None:
        """Do the TLS handshake; in the connection's own thread, so that a stalled client blocks nobody else."""
        self._reader.close()
        self._socket = context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        self._reader = io.BufferedReader(self._socket.makefile("rb", 0), PIECE)
        self._socket.do_handshake()

    def read_head(self) -> tuple[str, str, Headers] | None:
        """Method, target and fields of the next request; None when the client is done or does not speak HTTP."""
        if self._reader.peek(1)[:1] == _TLS_HANDSHAKE:
            return None
        match = _REQUEST_LINE.fullmatch(self._reader.readline(_LINE_LIMIT))
        if match is None:
            return None
        return match[1].decode(), match[2].decode("latin-1"), Headers(tuple(self._fields()))

    def _fields(self) -> Iterator[tuple[str, str]]:
        while (line := self._reader.readline(_LINE_LIMIT)) not in {b"\r\n", b"\n"}:
            if not line:
                raise ClientGoneError
            name, _, value = line.decode("latin-1").partition(":")
            yield name, value.strip()

    def body(self, headers: Headers) -> Body:
        return Body(self._reader, headers)

    def invite_body(self, headers: Headers) -> None:
        """Answer `Expect: 100-continue`, without which some clients never send a body."""
        if (headers.get("Expect") or "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send(self, data: bytes | memoryview) -> None:
        self._socket.sendall(data)

    def finish_gently(self) -> None:
        """Stop sending and swallow what still comes, so that the last reply is not lost to a reset."""
        with contextlib.suppress(OSError, ValueError):
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
            self._socket.settimeout(5)
            while self._reader.read(PIECE):
                pass

    def interrupt(self) -> None:
        """Wake a thread that is blocked on this connection; it sees an end of file."""
        # The base class's method: that of an SSL socket would also take the TLS state from under the reading thread.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close so that the client gets RST, not FIN; what was sent before still reaches it."""
        with contextlib.suppress(OSError):
            self._let_sent_bytes_leave()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._drop()

    def _let_sent_bytes_leave(self) -> None:
        # A reset throws the send queue away; TIOCOUTQ tells (on Linux) how much of it is not yet acknowledged.
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            (queued,) = struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
            if queued == 0:
                return
            time.sleep(0.001)

    def close(self) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            # Without waiting: send close_notify, else the client takes an unmarked end of a body for an attack.
            with contextlib.suppress(OSError, ValueError):
                self._socket.settimeout(0)
                self._socket.unwrap()
        self._drop()

    def _drop(self) -> None:
        with contextlib.suppress(OSError):
            self._reader.close()
        self._socket.close()


def head_of(reply: Reply) -> bytes:
    """Status line and fields, with the length field that the framing calls for unless a fault has set one."""
    headers, delivery = reply.headers, reply.delivery
    has_length = not bodiless("GET", reply)
    if delivery.framing is Framing.CHUNKED and has_length:
        headers = headers.set("Transfer-Encoding", "chunked").without("Content-Length")
    elif delivery.framing is Framing.LENGTH and has_length and "Content-Length" not in headers:
        headers = headers.add("Content-Length", str(len(reply.body)))
    if delivery.ending is Ending.CLOSE or delivery.framing is Framing.UNTIL_CLOSE:
        headers = headers.set("Connection", "close")
    try:
        reason = HTTPStatus(reply.status).phrase
    except ValueError:
        reason = "Unusual"
    lines = [f"HTTP/1.1 {reply.status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def bodiless(method: str, reply: Reply) -> bool:
    """Whether nothing may follow the head (RFC 9112, section 6.3)."""
    return method == "HEAD" or reply.status in {204, 304} or reply.status < 200


def body_of(method: str, reply: Reply) -> bytes:
    return b"" if bodiless(method, reply) else reply.body


def framed(piece: memoryview, framing: Framing) -> bytes | memoryview:
    """One piece of a body as it stands on the wire."""
    return b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if framing is Framing.CHUNKED else piece
