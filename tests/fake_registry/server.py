"""A threaded HTTP/1.1 server on a loopback address: one thread a connection, every request recorded, faults by script."""

from __future__ import annotations

import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from .exchange import Exchange, Stage
from .journal import Journal, Record
from .messages import Reply, Request
from .rules import Predicate, Rule
from .script import Script
from .wire import Channel, ClientGoneError

_JOIN_SECONDS = 10.0


class HttpServer(ABC):
    """Listens from construction, answers between `__enter__` and `close`.

    `port=0` takes a free one; `tls` makes it https; `host` may be another loopback address or `::1`.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self._address: tuple[str, int] = self._listener.getsockname()[:2]
        self._tls = tls
        self._closing = threading.Event()
        self._lock = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._channels: set[Channel] = set()
        self._own_peers: set[object] = set()
        self._failures: list[BaseException] = []
        self._acceptor = threading.Thread(target=self._accept, name=f"fake registry {host}")
        self.connections = 0
        """Connections accepted so far, whether or not a request came over them."""
        self.journal = Journal()
        self.script = Script()

    def admit(self, request: Request) -> Reply | None:
        return None

    @abstractmethod
    def answer(self, request: Request) -> Reply: ...

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def host(self) -> str:
        """`address:port`, as it stands in an image reference."""
        address = self._address[0]
        return f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"

    @property
    def url(self) -> str:
        """The origin: scheme and host."""
        return f"{'https' if self._tls else 'http'}://{self.host}"

    # Script and journal

    def on(
        self,
        method: str,
        path: str,
        *,
        times: int | None = 1,
        skip: int = 0,
        where: Predicate | None = None,
        before_auth: bool = False,
    ) -> Rule:
        """A rule for the next `times` matching requests after `skip` of them (None: for ever).

        `method` may be `GET|HEAD` or `*`; in `path`, `*` also spans `/`. A request meets the first rule that is not
        used up. A request that authorization refuses meets only rules with `before_auth`.
        """
        return self.script.add(Rule(method, path, times=times, skip=skip, where=where, before_auth=before_auth))

    def quirk(self, method: str, path: str, *, where: Predicate | None = None, before_auth: bool = False) -> Rule:
        """A lasting habit; unlike rules of `on`, all that match apply, and to the server's own answers only."""
        return self.script.add_quirk(Rule(method, path, times=None, skip=0, where=where, before_auth=before_auth))

    def requests(
        self,
        method: str = "*",
        path: str = "*",
        *,
        status: int | None = None,
        where: Callable[[Request], bool] | None = None,
    ) -> list[Record]:
        return self.journal.select(method, path, status=status, where=where)

    def count(
        self,
        method: str = "*",
        path: str = "*",
        *,
        status: int | None = None,
        where: Callable[[Request], bool] | None = None,
    ) -> int:
        return len(self.requests(method, path, status=status, where=where))

    def saw_header(self, name: str, containing: str = "") -> bool:
        """Whether any request carried that field (with that text in it)."""
        return any(containing in value for record in self.requests() for value in record.headers.all(name))

    def wait_for(
        self, count: int, method: str = "*", path: str = "*", *, outcome: str | None = None, timeout: float = 10
    ) -> list[Record]:
        """Block until so many requests have come (and, with `outcome`, have ended so); TimeoutError otherwise."""
        return self.journal.wait_for(count, method, path, outcome=outcome, timeout=timeout)

    def forget(self) -> None:
        """Drop all records, to look at what comes next."""
        self.journal.forget()

    # Life cycle

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None and self._failures:
            raise self._failures[0]

    def close(self) -> None:
        """Stop listening, wake every thread and wait for it."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._acceptor.ident is not None:
            self._knock()
            self._acceptor.join(_JOIN_SECONDS)
        self._listener.close()
        with self._lock:
            channels, threads = list(self._channels), list(self._threads)
        for channel in channels:
            channel.interrupt()
        for thread in threads:
            thread.join(_JOIN_SECONDS)
        stuck = [thread.name for thread in (self._acceptor, *threads) if thread.is_alive()]
        assert not stuck, f"threads that did not end: {stuck}"

    def settle(self) -> None:
        """Return when every connection made before this call has been counted (the accept queue is in order)."""
        me = self._knock()
        with self._lock:
            assert self._lock.wait_for(lambda: me not in self._own_peers, _JOIN_SECONDS)

    def _knock(self) -> object:
        """Connect to ourselves; such a connection is neither counted nor served."""
        with self._lock, socket.create_connection(self._address, timeout=_JOIN_SECONDS) as probe:
            me: object = probe.getsockname()[:2]
            self._own_peers.add(me)
        return me

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                own = peer[:2] in self._own_peers
                self._own_peers.discard(peer[:2])
                self._lock.notify_all()
            if own:
                sock.close()
            else:
                self._start(sock)

    def _start(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel = Channel(sock)
        with self._lock:
            self.connections += 1
            name = f"{self.host} connection {self.connections}"
            thread = threading.Thread(target=self._serve, args=(channel, self.connections), name=name)
            self._threads = [known for known in self._threads if known.is_alive()]
            self._channels.add(channel)
            thread.start()
            self._threads.append(thread)

    def _serve(self, channel: Channel, number: int) -> None:
        try:
            if self._tls:
                channel.secure(self._tls)
            Exchange(channel, number, Stage(self, self.journal, self.script, self._closing)).run()
        except (ClientGoneError, OSError):
            pass
        except Exception as failure:  # shown by __exit__: a mistake of the fake must fail the test
            self._failures.append(failure)
        finally:
            channel.close()
            with self._lock:
                self._channels.discard(channel)
