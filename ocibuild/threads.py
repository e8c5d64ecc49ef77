"""One piece of work on many things, several at a time, such that a failure or an interrupt leaves undone what has not begun.

The pools of `concurrent.futures` promise less. What they have queued goes on until somebody has emptied the queue; their
`wait` does not hear of a signal that comes in the moment before it blocks; and a `join` that a signal interrupts takes the
thread for ended (python/cpython#90882). Imports nothing of ocibuild.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Seconds between two looks for signals. Python runs their handlers in the main thread alone, and not while that is in a
# wait without end which it was just about to begin when the signal came.
_GLANCE = 0.2


def on_threads(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    *,
    name: str,
    halt: Callable[[], None] = lambda: None,
) -> list[Result]:
    """The results of `work` on every item, in the order of the items; at most `jobs` are under way at once.

    The first failure is raised as soon as what is under way has ended, and so is what interrupts the caller. `halt` is
    called before that, from any thread and perhaps more than once: it may tell what is under way to end early.
    """
    lanes = _Lanes(work, tuple(items), halt)
    threads = [Thread(target=lanes.run, name=f"{name}-{number}") for number in range(min(jobs, lanes.total))]
    try:
        for thread in threads:
            thread.start()
        while lanes.ended < len(threads):
            lanes.wait()
    except BaseException:
        lanes.stop()
        while lanes.ended < lanes.begun:
            lanes.wait()
        raise
    return lanes.results()


class _Lanes(Generic[Item, Result]):
    """What the threads share. Without locks: an interrupt between taking one and holding it would never give it back."""

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item], halt: Callable[[], None]) -> None:
        self.total = len(items)
        self._work = work
        self._waiting = deque(enumerate(items))
        self._halt = halt
        self._is_stopped = False
        self._done: dict[int, Result] = {}
        self._failures: list[BaseException] = []
        self._begun: list[None] = []
        self._ended: list[None] = []
        self._bell: SimpleQueue[None] = SimpleQueue()

    @property
    def begun(self) -> int:
        """How many threads have begun to run. Those that do after `stop` do nothing."""
        return len(self._begun)

    @property
    def ended(self) -> int:
        """How many threads are through."""
        return len(self._ended)

    def run(self) -> None:
        """What each thread does: one item after the other, until there are none, or it is told to stop."""
        self._begun.append(None)  # before the look at `_is_stopped`, so that who stops us knows whom to wait for
        try:
            while not self._is_stopped and self._waiting:
                self._take_one()
        except BaseException as error:  # noqa: BLE001 - raised again by `results`, in the thread that waits
            self._failures.append(error)
            self.stop()
        finally:
            self._ended.append(None)
            self._bell.put(None)

    def _take_one(self) -> None:
        try:
            number, item = self._waiting.popleft()
        except IndexError:  # another thread was quicker
            return
        self._done[number] = self._work(item)

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopped = True
        self._halt()

    def wait(self) -> None:
        """Until a thread has ended, or until it is time to look again."""
        with suppress(Empty):
            self._bell.get(timeout=_GLANCE)

    def results(self) -> list[Result]:
        """The results in the order of the items, or the first failure."""
        if self._failures:
            raise self._failures[0]
        return [self._done[number] for number in range(self.total)]
