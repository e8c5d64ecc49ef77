"""Requests, replies and failures as values, and the port between the client and whatever carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for each phase: to connect, without one byte moved, and for a reply that ends a long piece of work."""

    connect: float = 10.0
    stall: float = 60.0
    commit: float = 300.0


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes to send: exactly `length` of them, from the start each time `open` is called."""

    length: int
    open: Callable[[], Iterator[bytes | memoryview]]


def body_of(data: bytes) -> Body:
    """`data` as a body."""
    return Body(len(data), lambda: iter((data,)))


def admit_all(address: str) -> None:
    """An `admit` that has nothing against any address."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `wait` is how long the reply may take once all is sent; `admit` is shown the address of every new
    connection before a byte is sent over it, and objects by raising (not asked where a proxy makes the connection)."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = None
    wait: float | None = None
    admit: Callable[[str], None] = admit_all


class Trouble(Enum):
    """Why there was no reply, or not all of it."""

    UNKNOWN_HOST = auto()
    REFUSED = auto()
    UNREACHABLE = auto()
    CERTIFICATE = auto()
    TLS = auto()
    PROXY = auto()
    TIMEOUT = auto()
    BROKEN = auto()
    MALFORMED = auto()


class UnreachableError(Exception):
    """No complete reply came. `sent` tells whether the server may have acted on the request."""

    def __init__(self, trouble: Trouble, detail: str, request: Request, *, sent: bool) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail
        self.request = request
        self.sent = sent


class Reply(Protocol):
    """What a server answered. To be closed, also when it was read to the end."""

    @property
    def status(self) -> int: ...

    def header(self, name: str) -> str | None:
        """The first value of a header field; None where it is absent."""
        ...

    def header_values(self, name: str) -> list[str]:
        """Each field of that name, in order."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent, undecoded; UnreachableError where it breaks off before its declared end."""
        ...

    def close(self) -> None: ...


class Transport(Protocol):
    """Takes a request to its reply, whatever the status."""

    def send(self, request: Request) -> Reply:
        """The reply, with its body still to be read. UnreachableError where none comes."""
        ...

    def close(self) -> None:
        """Give up all connections."""
        ...


def read_at_most(reply: Reply, limit: int) -> bytes:
    """The body, or its first `limit` bytes."""
    data = bytearray()
    for chunk in reply.chunks():
        data += chunk
        if len(data) >= limit:
            break
    return bytes(data[:limit])
