"""A request to a registry as its API is used, and the reply that it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ocibuild.registry.auth import Access
from ocibuild.registry.exchange import Body, Reply, Request
from ocibuild.registry.limiter import Lane
from ocibuild.registry.origin import Purpose


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a registry. `target` is a path on it, or an address that it gave (`purpose` says for what)."""

    method: str
    target: str
    access: Access
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    lane: Lane = Lane.SMALL
    wait: float | None = None
    purpose: Purpose = Purpose.LOCATION


class Answer:
    """The final reply to a call, and the address it came from. A context manager; holds its place in the limiter."""

    def __init__(self, reply: Reply, request: Request, release: Callable[[], None]) -> None:
        self._reply = reply
        self._release: Callable[[], None] | None = release
        self.request = request

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        return self.request.url

    @property
    def status(self) -> int:
        return self._reply.status

    def header(self, name: str) -> str | None:
        """The first value of a header field; None where it is absent."""
        return self._reply.header(name)

    def header_values(self, name: str) -> list[str]:
        """Each field of that name, in order."""
        return self._reply.header_values(name)

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent."""
        return self._reply.chunks()

    def close(self) -> None:
        """Let the connection and the place in the limiter go. May be called twice."""
        self._reply.close()
        release, self._release = self._release, None
        if release is not None:
            release()
