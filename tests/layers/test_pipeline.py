"""Layers are packed side by side: in order, without deadlock, and an error ends all of them and leaves nothing."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.errors import SourceError
from ocibuild.events import Advanced, Event, Finished, Started, silent
from ocibuild.layers.build import build_layers
from ocibuild.layers.packing import SegmentPacker
from ocibuild.layers.pipeline import Crew, StoppedError, hash_stream, write_blob
from ocibuild.layers.segments import Segment
from ocibuild.oci.digest import Digest, sha256
from ocibuild.plan import ArchiveLayer, Copy, FilesLayer, ForeignLayer, LayerPlan, Text
from tests.layers.building import PLAIN, at, files_layer, make_tar, packed
from tests.layers.memory_store import MemoryStore

WITHIN = 60.0


Result = TypeVar("Result")


def in_time(work: Callable[[], Result]) -> Result:
    """What `work` gives; a failure where it hangs, so that a deadlock does not stop the suite."""
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(WITHIN)


@settings(max_examples=25)
@given(st.integers(1, 4), st.lists(st.integers(0, 30), min_size=1, max_size=10))
def test_results_come_in_the_order_of_their_tasks(jobs: int, lengths: list[int]) -> None:
    found: dict[int, list[int]] = {}

    def drive(number: int, length: int, crew: Crew) -> None:
        found[number] = list(crew.in_order((lambda value=value: value) for value in range(length)))  # type: ignore[misc]

    def all_at_once() -> None:
        with Crew(jobs) as crew:
            threads = [threading.Thread(target=drive, args=(n, length, crew)) for n, length in enumerate(lengths)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    in_time(all_at_once)
    assert found == {number: list(range(length)) for number, length in enumerate(lengths)}


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_a_number_of_results_is_held_that_the_layers_share(jobs: int) -> None:
    """However many layers there are and however long each is: the crew's slots bound what is computed and not yet taken."""
    held, most, lock = 0, 0, threading.Lock()

    def task() -> int:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return 0

    def drive(crew: Crew) -> None:
        nonlocal held
        for _ in crew.in_order(task for _ in range(200)):
            with lock:
                held -= 1

    def all_at_once() -> None:
        with Crew(jobs) as crew:
            threads = [threading.Thread(target=drive, args=(crew,)) for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    in_time(all_at_once)
    assert held == 0
    # What the consumer has just been handed counts as taken here, but keeps its slot until the next one is asked for.
    assert most <= 2 * jobs + 2


def test_a_failed_task_gives_its_error_and_all_slots_back() -> None:
    def fail() -> int:
        raise ValueError("broken")

    with Crew(1) as crew:
        for _ in range(20):
            with pytest.raises(ValueError, match="broken"):
                list(crew.in_order([lambda: 1, lambda: 2, fail, lambda: 3]))
        assert list(crew.in_order([lambda: 1] * 20)) == [1] * 20


def test_results_that_nobody_takes_give_their_slots_back() -> None:
    def endless() -> Iterator[Callable[[], int]]:
        while True:
            yield lambda: 1

    with Crew(1) as crew:
        for _ in range(20):
            results = crew.in_order(endless())
            assert next(results) == 1
            results.close()
        assert list(crew.in_order([lambda: 1] * 20)) == [1] * 20


def test_an_error_while_tasks_are_made_gives_all_slots_back() -> None:
    def tasks() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        raise ValueError("walk")

    with Crew(1) as crew:
        for _ in range(20):
            with pytest.raises(ValueError, match="walk"):
                list(crew.in_order(tasks()))
        assert list(crew.in_order([lambda: 1] * 20)) == [1] * 20


class Watched(bytearray):
    """Bytes whose end can be waited for."""


def write(segments: Iterator[Segment], crew: Crew) -> Digest:
    return write_blob(segments, SegmentPacker(PLAIN), MemoryStore(), crew, lambda _: None).diff_id


@pytest.mark.parametrize("consume", [write, hash_stream])
def test_nothing_is_kept_of_a_segment_whose_turn_is_over(consume: Callable[[Iterator[Segment], Crew], Digest]) -> None:
    """It has given its slot back, so that it would come on top of what the slots allow, once for each layer."""
    is_gone = threading.Event()

    class First(Segment):
        def load(self) -> bytearray:
            content = Watched(self.size)
            weakref.finalize(content, is_gone.set)
            return content

    class Second(Segment):
        def load(self) -> bytearray:
            assert is_gone.wait(WITHIN / 10)
            return bytearray(self.size)

    with Crew(1) as crew:
        assert consume(iter([First(5, (), ()), Second(7, (), ())]), crew) == sha256(bytes(12))


def test_a_stopped_crew_does_nothing_more() -> None:
    with Crew(1) as crew:
        results = crew.in_order([lambda: 1] * 50)
        assert next(results) == 1
        crew.stop()
        with pytest.raises(StoppedError):
            list(results)
        with pytest.raises(StoppedError):
            crew.check()


def many(context: Path, count: int, size: int = 3_000_000) -> list[FilesLayer]:
    """Layers of a few segments each."""
    content = os.urandom(1000) * (size // 1000)
    return [
        files_layer(context, Text(bytes([number]) + content, "/f"), name=f"l{number}", compressor=packed(1))
        for number in range(count)
    ]


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_ten_layers_at_once(tmp_path: Path, jobs: int) -> None:
    plans = many(tmp_path, 10)
    store = MemoryStore()
    built = in_time(lambda: build_layers(plans, store, jobs=jobs, emit=silent))
    assert list(built) == plans
    assert {layer.descriptor.digest for layer in built.values()} == set(store.blobs)
    assert [layer.name for layer in built.values()] == [plan.name for plan in plans]


def test_equal_layers_are_built_once_wherever_they_were_written(tmp_path: Path) -> None:
    one, other = (files_layer(tmp_path, Text(b"x", "/f", origin=at(line)), origin=at(line)) for line in (1, 2))
    events: list[Event] = []
    built = build_layers([one, other, one], MemoryStore(), jobs=2, emit=events.append)
    assert built[one] is built[other]
    assert sum(isinstance(event, Started) for event in events) == 1


def test_no_layers_are_no_work() -> None:
    assert build_layers([], MemoryStore(), jobs=2, emit=silent) == {}


def test_all_kinds_of_layers_side_by_side(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [("f", b"x")])
    archive = ArchiveLayer("archive", "a.tar", tmp_path)
    foreign = ForeignLayer("foreign", ("https://example.com",), sha256(b""), 1, sha256(b"x"))
    plans: list[LayerPlan] = [foreign, *many(tmp_path, 3), archive]
    built = build_layers(plans, MemoryStore(), jobs=2, emit=silent)
    assert [layer.name for layer in built.values()] == ["foreign", "l0", "l1", "l2", "archive"]


def test_progress(tmp_path: Path) -> None:
    events: list[Event] = []
    (plan,) = many(tmp_path, 1)
    built = build_layers([plan], MemoryStore(), jobs=2, emit=events.append)[plan]
    started, *advanced, finished = events
    assert isinstance(started, Started)
    assert (started.subject, started.total) == ("l0", 3_000_001)
    assert isinstance(finished, Finished)
    assert (finished.task, finished.outcome, finished.size) == (started.task, "built", built.descriptor.size)
    assert sum(event.amount for event in advanced if isinstance(event, Advanced)) >= 3_000_001


def endless_layer(context: Path) -> FilesLayer:
    """A layer that would take very long: whoever waits for it waits in vain."""
    with (context / "hole").open("wb") as file:
        file.truncate(1 << 42)
    return files_layer(context, Copy("hole", "/hole"), compressor=packed(1), name="endless")


def endless_archive(context: Path) -> ArchiveLayer:
    endless_layer(context)
    return ArchiveLayer("endless", "hole", context)


@pytest.mark.parametrize("endless", [endless_layer, endless_archive])
@pytest.mark.parametrize("order", [1, -1])
def test_the_first_error_ends_all_layers(tmp_path: Path, endless: Callable[[Path], LayerPlan], order: int) -> None:
    broken = files_layer(tmp_path, Copy("nothing", "/f", origin=at(4)))
    store = MemoryStore(keeps=False)
    events: list[Event] = []
    plans = [endless(tmp_path), broken]
    with pytest.raises(SourceError, match="'nothing' does not exist"):
        in_time(lambda: build_layers(plans[::order], store, jobs=2, emit=events.append))
    assert store.blobs == {}
    assert store.open_writers == 0
    assert [event.outcome for event in events if isinstance(event, Finished)] in ([], ["failed"])


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_full_disk_ends_all_layers(tmp_path: Path, jobs: int) -> None:
    store = MemoryStore(fail_at=2)
    with pytest.raises(OSError, match="No space left"):
        in_time(lambda: build_layers([*many(tmp_path, 4), endless_layer(tmp_path)], store, jobs=jobs, emit=silent))
    assert store.blobs == {}
    assert store.open_writers == 0


def test_an_error_in_whoever_listens_ends_all_layers(tmp_path: Path) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, Advanced):
            raise RuntimeError("no terminal")

    store = MemoryStore(keeps=False)
    with pytest.raises(RuntimeError, match="no terminal"):
        in_time(lambda: build_layers([endless_layer(tmp_path)], store, jobs=2, emit=listen))
    assert store.open_writers == 0
