"""Segments -> a blob and its two digests: packed on all cores, written and hashed in order, at bounded memory.

One crew of threads serves all layers of a build. Reading, packing, hashing and writing release the interpreter's lock.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TypeVar

from ocibuild.layers.memory import SegmentPacker, Stretch
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
        """The results of `tasks` in their order, some of them computed ahead by the crew.

        Several threads may call this at once. Each waits for a free slot only while it has nothing to hand out itself, so
        that layers which share the crew cannot starve each other.
        """
        pending: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                while not self._slots.acquire(blocking=not pending):
                    yield from self._oldest(pending)
                pending.append(self._threads.submit(self._unless_stopped, task))
            while pending:
                yield from self._oldest(pending)
        finally:
            for future in pending:
                future.cancel()
                self._slots.release()

    def _unless_stopped(self, task: Callable[[], Result]) -> Result:
        self.check()
        return task()

    def _oldest(self, pending: deque[Future[Result]]) -> Iterator[Result]:
        result = pending[0].result()
        try:
            yield result
        finally:
            pending.popleft()
            self._slots.release()


@dataclass(frozen=True, slots=True)
class WrittenBlob:
    """A blob in the store: its digest and size, the digest of what it unpacks to, and where its segments lie."""

    digest: Digest
    size: int
    diff_id: Digest
    stretches: Mapping[bytes, Stretch]


def write_blob(
    segments: Iterable[Segment],
    pack: SegmentPacker,
    store: BlobStore,
    crew: Crew,
    advance: Callable[[int], None],
) -> WrittenBlob:
    """Pack the tar stream into a new blob of `store`. `advance` is told the unpacked bytes of each segment."""
    plain, packed, size = hashlib.sha256(), hashlib.sha256(), 0
    stretches: dict[bytes, Stretch] = {}
    work = (partial(pack, segment) for segment in segments)
    with store.writer() as writer, closing(crew.in_order(work)) as results:
        for result in results:
            plain.update(result.plain)
            if result.packed is not result.plain:
                packed.update(result.packed)
            writer.write(result.packed)
            if pack.keys:
                stretches[result.key] = Stretch(size, len(result.packed), result.checksum)
            size += len(result.packed)
            advance(len(result.plain))
        diff_id = Digest("sha256", plain.hexdigest())
        digest = Digest("sha256", packed.hexdigest()) if pack.compresses else diff_id
        writer.commit(digest)
    return WrittenBlob(digest, size, diff_id, stretches)


def hash_stream(segments: Iterable[Segment], crew: Crew) -> Digest:
    """The diff_id of the tar stream, without packing it."""
    hasher = hashlib.sha256()
    with closing(crew.in_order(segment.load for segment in segments)) as results:
        for plain in results:
            hasher.update(plain)
    return Digest("sha256", hasher.hexdigest())
