"""A TCP line that does not last: it breaks after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 64 * 1024


class BadLine:
    """Forwards connections to `target` and resets each one after `limit` bytes from the client: bytes of that connection,
    or (with `over_all`) bytes of all connections since the last reset."""

    def __init__(self, target: str, limit: int, *, over_all: bool) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._limit = limit
        self._over_all = over_all
        self._passed = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.breaks = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Accept until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                for work in ((self._upwards, client, server), (self._downwards, server, client)):
                    thread = threading.Thread(target=work[0], args=work[1:])
                    self._threads.append(thread)
                    thread.start()

    def close(self) -> None:
        """Break everything off."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _upwards(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := client.recv(_PIECE):
                passed += len(data)
                if self._is_over(passed, len(data)):
                    for each in (client, server):
                        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        each.shutdown(socket.SHUT_RDWR)
                        each.close()
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _is_over(self, passed: int, now: int) -> bool:
        with self._lock:
            self._passed += now
            is_over = (self._passed if self._over_all else passed) > self._limit
            if is_over:
                self._passed = 0
                self.breaks += 1
            return is_over

    def _downwards(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_PIECE):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


@contextmanager
def bad_line(target: str, limit: int, *, over_all: bool = False) -> Iterator[BadLine]:
    """A bad line to `target`, until the block ends."""
    line = BadLine(target, limit, over_all=over_all)
    acceptor = threading.Thread(target=line.serve)
    acceptor.start()
    try:
        yield line
    finally:
        line.close()
        acceptor.join(10)
