"""What reached a server: every request in order, with what became of it."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .headers import Headers
from .messages import Request

KEPT_BODY = 1024 * 1024
_numbers = itertools.count(1)
"""Shared by all servers of the process, so that requests to several servers have one order."""


@dataclass(slots=True)
class Record:
    """One request; `status` is None while no reply has been chosen, `outcome` tells how the exchange ended."""

    number: int
    connection: int
    method: str
    target: str
    headers: Headers
    at: float = field(default_factory=time.monotonic)
    body: bytes | None = None
    body_length: int = 0
    body_digest: str = ""
    status: int | None = None
    outcome: str = "pending"
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False)

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def query(self) -> str:
        return self.request.query

    @property
    def request(self) -> Request:
        """The head of the request as a value (its body is not repeated here)."""
        return Request(self.number, self.connection, self.method, self.target, self.headers)

    def took(self, piece: bytes) -> None:
        """Count a piece of the body; bodies above 1 MiB are kept as length and digest only."""
        self._hash.update(piece)
        self.body_length += len(piece)
        self.body_digest = "sha256:" + self._hash.hexdigest()
        self.body = (self.body or b"") + piece if self.body_length <= KEPT_BODY else None


class Journal:
    """The records of one server; safe to read while requests arrive."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._records: list[Record] = []

    def open(self, connection: int, head: tuple[str, str, Headers]) -> Record:
        with self._changed:
            record = Record(next(_numbers), connection, *head)
            self._records.append(record)
            self._changed.notify_all()
        return record

    def close(self, record: Record, outcome: str, status: int | None = None) -> None:
        """Write down the end of an exchange; called before the last bytes leave, so a client that has its reply finds it."""
        with self._changed:
            record.outcome = outcome
            record.status = status if status is not None else record.status
            self._changed.notify_all()

    def select(
        self,
        method: str = "*",
        path: str = "*",
        *,
        status: int | None = None,
        where: Callable[[Request], bool] | None = None,
    ) -> list[Record]:
        """Records in order; `method` may be `GET|HEAD`, `path` is a shell pattern in which `*` also spans `/`."""
        with self._changed:
            return [
                record
                for record in self._records
                if method_matches(record.method, method)
                and fnmatch.fnmatchcase(record.path, path)
                and status in {None, record.status}
                and (where is None or where(record.request))
            ]

    def wait_for(self, count: int, method: str, path: str, *, outcome: str | None, timeout: float) -> list[Record]:
        """Block until that many requests match (and have ended so, with `outcome`)."""

        def found() -> list[Record]:
            return [r for r in self.select(method, path) if outcome in {None, r.outcome}]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, timeout):
                raise TimeoutError(f"{len(found())} of {count} requests {method} {path} came within {timeout} s")
            return found()

    def forget(self) -> None:
        with self._changed:
            self._records.clear()


def method_matches(method: str, pattern: str) -> bool:
    """Whether the method is one of `GET|HEAD`, or the pattern is `*`."""
    return pattern == "*" or method in pattern.split("|")
