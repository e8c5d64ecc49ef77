"""How many requests of one kind run at once against one host; fewer after it said "too many" (429)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto


class Lane(Enum):
    """Kinds of requests that do not wait for each other: small ones are not starved, and a copy within one registry,
    whose upload reads a download, cannot lock itself out."""

    SMALL = auto()
    READ = auto()
    WRITE = auto()


class Limiter:
    """At most `limit` requests in each lane. Throttling halves the number, and it grows back with successes."""

    _SUCCESSES_TO_GROW = 16

    def __init__(self, limit: int) -> None:
        self._most = max(1, limit)
        self._limit = self._most
        self._running = dict.fromkeys(Lane, 0)
        self._successes = 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many may run in a lane now."""
        return self._limit

    @contextmanager
    def slot(self, lane: Lane) -> Iterator[None]:
        """Waits for a free place in the lane and holds it."""
        self.acquire(lane)
        try:
            yield
        finally:
            self.release(lane)

    def acquire(self, lane: Lane) -> None:
        """Wait for a free place in the lane."""
        with self._changed:
            self._changed.wait_for(lambda: self._running[lane] < self._limit)
            self._running[lane] += 1

    def release(self, lane: Lane) -> None:
        """Give a place back."""
        with self._changed:
            self._running[lane] -= 1
            self._changed.notify_all()

    def throttled(self) -> None:
        """The host said "too many": half as many from now on, one at least."""
        with self._changed:
            self._limit = max(1, self._limit // 2)
            self._successes = 0

    def succeeded(self) -> None:
        """A request went well; a row of them lets one more run."""
        with self._changed:
            self._successes += 1
            if self._successes >= self._SUCCESSES_TO_GROW and self._limit < self._most:
                self._limit += 1
                self._successes = 0
                self._changed.notify_all()
