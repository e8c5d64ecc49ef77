from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from ocibuild.threads import on_threads

TIMEOUT = 30.0


@pytest.mark.parametrize("jobs", [1, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_results_come_in_the_order_of_the_items(count: int, jobs: int) -> None:
    assert on_threads(lambda item: -item, range(count), jobs, name="work") == [-item for item in range(count)]


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_so_many_are_under_way_at_once_and_no_more(jobs: int) -> None:
    """The items come in groups of `jobs`, each of which waits until the whole group is there."""
    together = threading.Barrier(jobs)
    busy: list[int] = []
    most: list[int] = []

    def work(item: int) -> None:
        busy.append(item)
        most.append(len(busy))
        together.wait(TIMEOUT)
        busy.remove(item)

    on_threads(work, range(4 * jobs), jobs, name="work")
    assert max(most) == jobs


def test_a_failure_leaves_undone_what_has_not_begun_and_is_raised_when_the_rest_has_ended() -> None:
    begun, halted = [], threading.Event()
    both, ended = threading.Barrier(2), []

    def work(item: int) -> None:
        begun.append(item)
        both.wait(TIMEOUT)
        if item == 0:
            raise ValueError("first")
        assert halted.wait(TIMEOUT)
        ended.append(item)
        raise StopIteration("because of the first")

    with pytest.raises(ValueError, match="first"):
        on_threads(work, range(500), 2, name="work", halt=halted.set)
    assert (sorted(begun), ended) == ([0, 1], [1])


def test_without_a_failure_nothing_is_halted() -> None:
    on_threads(lambda item: item, range(5), 2, name="work", halt=lambda: pytest.fail("halted"))


@pytest.fixture
def interrupt() -> Iterator[threading.Event]:
    """Set as soon as a SIGINT of the test has raised KeyboardInterrupt in the main thread."""
    came = threading.Event()

    def handle(number: int, frame: object) -> None:
        came.set()
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGINT, handle)
    yield came
    signal.signal(signal.SIGINT, former)


@pytest.mark.parametrize("moment", range(0, 300, 25))
def test_an_interrupt_leaves_undone_what_has_not_begun(interrupt: threading.Event, moment: int) -> None:
    """At every moment: in the first milliseconds the main thread may be just about to wait, deaf to what comes then."""
    done, halted = [], threading.Event()

    def work(item: int) -> None:
        if item == moment:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            assert halted.wait(TIMEOUT)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        on_threads(work, range(500), 1, name="work", halt=halted.set)
    assert interrupt.is_set()
    assert done == list(range(moment + 1))


def test_an_interrupt_while_threads_are_started(interrupt: threading.Event) -> None:
    """The first thread is at work, the main thread still starts the others."""
    begun, halted, started = [], threading.Event(), threading.Semaphore(0)

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        started.release()
        assert halted.wait(TIMEOUT)

    with pytest.raises(KeyboardInterrupt):
        on_threads(work, range(500), 100, name="work", halt=halted.set)
    assert started.acquire(timeout=TIMEOUT)
    assert len(begun) <= 100


def test_what_is_under_way_ends_before_the_interrupt_goes_on(interrupt: threading.Event) -> None:
    at_work, halted, ended = threading.Barrier(3), threading.Event(), []

    def work(item: int) -> None:
        if at_work.wait(TIMEOUT) == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert halted.wait(TIMEOUT)
        threading.Event().wait(0.05)  # long enough for a caller who does not wait to be seen
        ended.append(item)

    with pytest.raises(KeyboardInterrupt):
        on_threads(work, range(500), 3, name="work", halt=halted.set)
    assert sorted(ended) == [0, 1, 2]
