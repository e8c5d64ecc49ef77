"""The running server: a listening socket, and a bounded number of threads, each with a connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ocibuild.events import Emit, silent
from ocibuild.server.callers import listen, url_of
from ocibuild.server.connection import Callbacks, Limits, converse
from ocibuild.server.registry import Registry
from ocibuild.server.storage import Storage

_POLL = 0.2  # seconds
_GRACE = 2.0  # seconds for requests under way when the server is to end
_DEFAULT_LIMITS = Limits()


class Server:
    """A registry that listens, in threads of its own."""

    def __init__(
        self, listener: socket.socket, registry: Registry, trace: Callable[[str], None], limits: Limits
    ) -> None:
        self.url = url_of(listener)
        self._listener = listener
        self._registry = registry
        self._limits = limits
        self._callbacks = Callbacks(registry.answer, trace, self._set_idle)
        self._slots = threading.Semaphore(limits.connections)
        self._changed = threading.Condition()
        self._connections: dict[socket.socket, bool] = {}  # -> whether it is idle; in the order of their last request
        self._closing = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, name="registry", daemon=True)

    def start(self) -> None:
        """Accept connections from now on."""
        self._listener.settimeout(_POLL)
        self._acceptor.start()

    def wait(self) -> None:
        """Return when the server was closed. An exception that a signal raises in here ends the wait."""
        while not self._closing.wait(1.0):  # a signal that the system gives to another thread interrupts no wait
            pass

    def close(self) -> None:
        """Accept no more, let requests under way end for two seconds, then cut them off and forget their uploads."""
        self._closing.set()
        with suppress(OSError):  # wakes the acceptor, where the system can do that
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for is_final, patience in ((False, _GRACE), (True, None)):
            with self._changed:
                for connection, is_idle in self._connections.items():
                    if is_idle or is_final:
                        _cut(connection)
                self._changed.wait_for(lambda: not self._connections, patience)
        self._registry.close()

    def _set_idle(self, connection: socket.socket, is_idle: bool) -> None:
        """A connection waits for a request, or does so no longer."""
        with self._changed:
            self._connections.pop(connection, None)
            self._connections[connection] = is_idle
        if is_idle and self._closing.is_set():
            _cut(connection)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # no more file descriptors, say: others will end
                self._closing.wait(_POLL)
                continue
            if self._take_slot():
                self._set_idle(connection, False)
                threading.Thread(
                    target=self._converse, args=(connection,), name="registry connection", daemon=True
                ).start()
            else:
                connection.close()

    def _take_slot(self) -> bool:
        """Wait until the number of connections allows one more; False when the server is to end."""
        while not self._closing.is_set():
            if self._slots.acquire(blocking=False):
                return True
            self._cut_longest_idle()
            if self._slots.acquire(timeout=_POLL):
                return True
        return False

    def _converse(self, connection: socket.socket) -> None:
        try:
            converse(connection, self._callbacks, self._limits)
        finally:
            with self._changed:
                self._connections.pop(connection, None)
                self._changed.notify_all()
            self._slots.release()

    def _cut_longest_idle(self) -> None:
        with self._changed:
            longest = next((connection for connection, is_idle in self._connections.items() if is_idle), None)
            if longest is not None:
                _cut(longest)


@contextmanager
def serving(
    storage: Storage,
    *,
    host: str,
    port: int,
    read_only: bool = False,
    allow_remote: bool = False,
    trace: Callable[[str], None] | None = None,
    emit: Emit = silent,
    limits: Limits = _DEFAULT_LIMITS,
) -> Iterator[Server]:
    """A registry over `storage` that is reached at `server.url` until the block ends; port 0 takes a free one.

    `trace` is given a line for each request. With `allow_remote`, requests for other hosts' names are answered too.
    """
    registry = Registry(storage, read_only=read_only, answers_all=allow_remote, emit=emit)
    with listen(host, port) as listener:
        server = Server(listener, registry, trace or _untraced, limits)
        server.start()
        try:
            yield server
        finally:
            server.close()


def _untraced(line: str) -> None:
    del line


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
