"""Segments -> a blob and its two digests: packed on all cores, written and hashed in order, at bounded memory.

One crew of threads serves all layers of a build. A layer has two threads besides: one plans its segments, which is nearly all
that needs the interpreter's lock; one takes what was packed, hashes it and writes it. Reading, packing, hashing and writing give
the lock away for long at a time.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from operator import attrgetter
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, TypeVar

from ocibuild.layers.hashes import LayerHashes
from ocibuild.layers.memory import Stretch
from ocibuild.layers.packing import SegmentPacker
from ocibuild.layers.segments import Segment
from ocibuild.oci.blobs import BlobStore
from ocibuild.oci.digest import Digest

Result = TypeVar("Result")


class StoppedError(Exception):
    """The crew was stopped: the build failed or was interrupted elsewhere. Never leaves this package."""


class Crew:
    """Worker threads, and the right to have a number of segments in memory at once."""

    def __init__(self, jobs: int) -> None:
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="pack")
        self._slots = threading.Semaphore(2 * jobs + 2)
        self._stopped = threading.Event()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """Let everyone who works with the crew end with StoppedError, at the next task."""
        self._stopped.set()

    def check(self) -> None:
        """StoppedError if the crew was stopped."""
        if self._stopped.is_set():
            raise StoppedError

    def aside(self, task: Callable[[], Result]) -> Future[Result]:
        """`task` done by one of the crew, beside all that is in order."""
        return self._threads.submit(task)

    def in_order(self, tasks: Iterable[Callable[[], Result]]) -> Generator[Result, None, None]:
        """The results of `tasks` in their order, some of them computed ahead by the crew; tasks are drawn by a thread of its own.

        Several threads may call this at once: whoever waits for a slot holds up no result, so that layers which share the
        crew cannot starve each other.
        """
        lane = _Lane(tasks, self._slots, lambda task: self._threads.submit(self._unless_stopped, task))
        drawing = threading.Thread(target=lane.draw, name="draw")
        drawing.start()
        try:
            yield from lane.results()
        finally:
            lane.close()
            drawing.join()

    def _unless_stopped(self, task: Callable[[], Result]) -> Result:
        self.check()
        return task()


class _Lane(Generic[Result]):
    """Tasks on their way: one thread draws them and sends them off, another takes their results. Each holds a slot from
    before it is drawn, since what a task stands for may be in memory by then, until its result was used."""

    def __init__(
        self,
        tasks: Iterable[Callable[[], Result]],
        slots: threading.Semaphore,
        send: Callable[[Callable[[], Result]], Future[Result]],
    ) -> None:
        self._tasks, self._slots, self._send = iter(tasks), slots, send
        self._sent: SimpleQueue[Future[Result] | None] = SimpleQueue()  # None: there are no more
        self._is_open = True

    def draw(self) -> None:
        """Send every task off, until there are none, or one cannot be drawn, or the lane is closed."""
        while self._is_open:
            self._slots.acquire()
            self._draw_one()
        self._sent.put(None)

    def _draw_one(self) -> None:
        """Send the next task off. An error in drawing it is its result, and the last.

        A function of its own, so that nothing of the task is kept while the next one waits for a slot.
        """
        try:
            self._sent.put(self._send(next(self._tasks)))
        except StopIteration:
            self._is_open = False
            self._slots.release()
        except BaseException as error:  # noqa: BLE001 - raised again by who takes the result
            self._is_open = False
            self._sent.put(_failed(error))

    def results(self) -> Iterator[Result]:
        """What comes of the tasks, in their order."""
        while (sent := self._sent.get()) is not None:
            try:
                yield sent.result()
            finally:
                del sent
                self._slots.release()
        self._sent.put(None)  # for `close`

    def close(self) -> None:
        """Call back what is on its way. The drawing thread sends one more task at most, and has ended its work when this returns."""
        self._is_open = False
        while (sent := self._sent.get()) is not None:
            sent.cancel()
            self._slots.release()


def _failed(error: BaseException) -> Future[Result]:
    failed = Future[Result]()
    failed.set_exception(error)
    return failed


@dataclass(frozen=True, slots=True)
class WrittenBlob:
    """A blob in the store: its digest and size, the digest of what it unpacks to, and where its segments lie."""

    digest: Digest
    size: int
    diff_id: Digest
    stretches: tuple[Stretch, ...]


def write_blob(
    segments: Iterable[Segment],
    packer: SegmentPacker,
    store: BlobStore,
    crew: Crew,
    advance: Callable[[int], None],
) -> WrittenBlob:
    """Pack the tar stream into a new blob of `store`. `advance` is told the unpacked bytes of each segment."""
    hashes, size = LayerHashes(compresses=packer.compresses), 0
    stretches: list[Stretch] = []
    tasks = map(packer.task, segments)  # a generator would keep what it gave last
    with store.writer() as writer, closing(crew.in_order(tasks)) as results:
        for result in results:
            if result.plain is None:
                hashes = LayerHashes(result.hashes)
            else:
                hashes.update(result.plain, result.packed)
            writer.write(result.packed)
            length = len(result.packed)
            if packer.remembers:
                state = result.hashes or hashes.state()
                stretches.append(Stretch(size, length, result.checksum, result.key, result.made_of, state))
            size += length
            advance(result.size)
            del result  # whose slot is given back when the next one is asked for
        diff_id, digest = hashes.digests()
        writer.commit(digest)
    return WrittenBlob(digest, size, diff_id, tuple(stretches))


def hash_stream(segments: Iterable[Segment], crew: Crew) -> Digest:
    """The diff_id of the tar stream, without packing it."""
    hasher = hashlib.sha256()
    with closing(crew.in_order(map(attrgetter("load"), segments))) as results:
        for plain in results:
            hasher.update(plain)
            del plain
    return Digest("sha256", hasher.hexdigest())
