"""The running server: a listening socket, and a bounded number of threads, each with a connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ocibuild.events import Emit, Noted, silent
from ocibuild.server.callers import check_caller, check_listening_address, listen, url_of
from ocibuild.server.connection import Callbacks, converse
from ocibuild.server.messages import Answer, Request, refusal_answer
from ocibuild.server.refusal import Code, Refusal, refuse
from ocibuild.server.registry import Registry
from ocibuild.server.storage import Storage

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 5000
_MOST = 128  # connections; further ones wait in the system's queue, and idle ones make room for them
_POLL = 0.2
_GRACE = 2.0  # for requests under way when the server is to end


class Server:
    """A registry that listens, in threads of its own."""

    def __init__(
        self, listener: socket.socket, registry: Registry, *, is_open: bool, trace: Callable[[str], None], emit: Emit
    ) -> None:
        self.url = url_of(listener)
        self._listener = listener
        self._registry = registry
        self._is_open = is_open
        self._emit = emit
        self._callbacks = Callbacks(self._answer, trace, self._set_idle)
        self._slots = threading.Semaphore(_MOST)
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, bool] = {}  # -> whether it is idle; in the order of their last request
        self._closing = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, name="registry", daemon=True)

    def start(self) -> None:
        """Accept connections from now on."""
        self._listener.settimeout(_POLL)
        self._acceptor.start()

    def wait(self) -> None:
        """Return when the server was closed. An exception that a signal raises in here ends the wait."""
        self._closing.wait()

    def close(self) -> None:
        """Accept no more, let requests under way end for two seconds, then cut them off and forget their uploads."""
        self._closing.set()
        self._acceptor.join()
        self._listener.close()
        deadline = time.monotonic() + _GRACE
        while self._cut(idle_only=time.monotonic() < deadline):
            time.sleep(_POLL / 10)
        self._registry.close()

    def _answer(self, request: Request) -> Answer:
        """The registry's answer; where it fails in a way that nobody expected, that is one too."""
        try:
            if not self._is_open:
                check_caller(request.headers)
            return self._registry.answer(request)
        except Refusal as refusal:
            return refusal_answer(refusal)
        except Exception as error:  # noqa: BLE001 - one request must not end the server, and its operator must know
            self._emit(Noted(f"internal error: {type(error).__name__}: {error}", warning=True))
            return refusal_answer(refuse(500, Code.UNKNOWN, "internal error"))

    def _set_idle(self, connection: socket.socket, is_idle: bool) -> None:
        """A connection waits for a request, or does so no longer."""
        with self._lock:
            self._connections.pop(connection, None)
            self._connections[connection] = is_idle
        if is_idle and self._closing.is_set():
            _cut(connection)

    def _accept(self) -> None:
        while not self._closing.is_set():
            if not self._slots.acquire(timeout=_POLL):
                self._cut_longest_idle()
                continue
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                self._slots.release()
                if not isinstance(error, TimeoutError):  # no more file descriptors, say: others will end
                    self._closing.wait(_POLL)
                continue
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            converse(connection, self._callbacks)
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            self._slots.release()

    def _cut_longest_idle(self) -> None:
        with self._lock:
            longest = next((connection for connection, is_idle in self._connections.items() if is_idle), None)
            if longest is not None:
                _cut(longest)

    def _cut(self, *, idle_only: bool) -> bool:
        """Cut connections off; whether there are any left."""
        with self._lock:
            for connection, is_idle in self._connections.items():
                if is_idle or not idle_only:
                    _cut(connection)
            return bool(self._connections)


@contextmanager
def serving(
    storage: Storage,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    read_only: bool = False,
    allow_remote: bool = False,
    trace: Callable[[str], None] | None = None,
    emit: Emit = silent,
) -> Iterator[Server]:
    """A registry over `storage` that is reached at `server.url` until the block ends; port 0 takes a free one.

    `trace` is given a line for each request. UsageError for an address that others could reach, unless `allow_remote`.
    """
    check_listening_address(host, allow_remote=allow_remote)
    registry = Registry(storage, read_only=read_only, emit=emit)
    with listen(host, port) as listener:
        server = Server(listener, registry, is_open=allow_remote, trace=trace or _untraced, emit=emit)
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
