"""Members -> the tar stream, cut into segments: what is packed as one unit, and what is not packed again if it is unchanged.

Where to cut depends on content alone. A large file is cut after every 1 MiB of it. Between smaller ones a cut falls behind
entries that their paths single out, about every 512 KiB; it is left out where a segment would stay below 768 KiB, and forced
where one reaches 2 MiB. So no segment exceeds 3 MiB and a header, and soon behind a change the same cuts come back (a cut at a
fixed size alone would move all that follow it).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from threading import Lock
from typing import NamedTuple

from ocibuild.errors import SourceError
from ocibuild.layers.archive_source import read_members
from ocibuild.layers.context import read_into
from ocibuild.layers.entries import ArchiveContent, Content, Entry, FileContent
from ocibuild.layers.tar import END_OF_ARCHIVE, header
from ocibuild.oci.tar_format import padding, printable

SEGMENT_SIZE = 1 << 20  # of the pieces of a large file
_LEAST, _MOST, _CUT_DISTANCE = 768 << 10, 2 << 20, 512 << 10
# Small files are many short system calls, and each gives the interpreter's lock away. Threads that read at the same time take it
# from one another, which costs more than the reading: a fifth of the CPU time and of the wall time of 57,000 files on two cores,
# more on more. So one thread reads, that which plans the segments of a layer, and those of several layers take turns. But a disk
# that lets them wait serves several faster: who waited for `_PATIENCE` seconds reads out of turn, and where a segment took
# `_SLOW` seconds, the next ones are left to those who pack them.
_READING, _PATIENCE, _SLOW, _LEFT_UNREAD = Lock(), 0.05, 0.05, 8


class FilePart(NamedTuple):
    """`length` bytes of a file from `offset` on, to be read when the segment is, and where in it they go."""

    position: int
    content: FileContent
    offset: int
    length: int


class Segment(NamedTuple):
    """A stretch of the tar stream: bytes at their positions, parts of files, zeros in between and up to `size`."""

    size: int
    blocks: tuple[tuple[int, bytes], ...]
    files: tuple[FilePart, ...]

    def load(self) -> bytearray:
        """The bytes of the stretch. SourceError if a file is not any more what the walk saw."""
        buffer = bytearray(self.size)
        view = memoryview(buffer)
        for position, block in self.blocks:
            view[position : position + len(block)] = block
        for position, content, offset, length in self.files:
            read_into(view[position : position + length], content, offset)
        return buffer


def read_ahead(segments: Iterable[Segment], slow: float = _SLOW) -> Iterator[Callable[[], bytearray]]:
    """What gives the bytes of each segment: it was read already, or on a slow disk will be when it is called.

    Raises what `Segment.load` does, and so may what it gives. Keeps nothing of what it gave.
    """
    return map(_ReadingAhead(slow), segments)


class _ReadingAhead:
    """Decides for one segment after the other who reads it. No generator: that would keep a segment until the next is wanted."""

    def __init__(self, slow: float) -> None:
        self._slow = slow
        self._left_unread = 0

    def __call__(self, segment: Segment) -> Callable[[], bytearray]:
        if self._left_unread:
            self._left_unread -= 1
            return segment.load
        plain, seconds = _load_in_turn(segment)
        if seconds > self._slow:
            self._left_unread = _LEFT_UNREAD
        return partial(_as_it_is, plain)


def _load_in_turn(segment: Segment) -> tuple[bytearray, float]:
    """The bytes, and how many seconds reading them took."""
    is_my_turn = _READING.acquire(timeout=_PATIENCE)
    try:
        began = time.monotonic()
        return segment.load(), time.monotonic() - began
    finally:
        if is_my_turn:
            _READING.release()


def _as_it_is(plain: bytearray) -> bytearray:
    return plain


def segments(members: Iterable[Entry]) -> Iterator[Segment]:
    """The whole tar stream of `members`, its end included."""
    cutter = _Cutter()
    archives = _ArchiveContents()
    for member in members:
        block, size = header(member), member.size
        if isinstance(member.content, FileContent) and size < SEGMENT_SIZE:  # nearly all of most layers
            cutter.add_small(block, member.content, size)
        else:
            cutter.add(block)
            for piece in _pieces(member.content, size, archives):
                cutter.add_piece(piece)
                if cutter.position_in_file % SEGMENT_SIZE == 0:
                    yield cutter.cut()
            cutter.pad(padding(size))
        if cutter.size >= _LEAST and (cutter.size >= _MOST or _is_cut(member.path, len(block) + size)):
            yield cutter.cut()
    cutter.add(END_OF_ARCHIVE)
    yield cutter.cut()


class _Cutter:
    """The segment that is growing."""

    def __init__(self) -> None:
        self.size = 0
        self.position_in_file = 0
        self._blocks: list[tuple[int, bytes]] = []
        self._files: list[FilePart] = []

    def add(self, block: bytes) -> None:
        """Append header bytes; content that follows is that of a new file."""
        self._blocks.append((self.size, block))
        self.size += len(block)
        self.position_in_file = 0

    def add_small(self, block: bytes, content: FileContent, size: int) -> None:
        """Append a file that is smaller than a segment, as a whole."""
        start = self.size + len(block)
        self._blocks.append((self.size, block))
        if size:
            self._files.append(FilePart(start, content, 0, size))
        self.size = start + size + padding(size)

    def add_piece(self, piece: bytes | FilePart) -> None:
        """Append a piece of a file's content; its position is yet to be said."""
        if isinstance(piece, bytes):
            self._blocks.append((self.size, piece))
            length = len(piece)
        else:
            self._files.append(piece._replace(position=self.size))
            length = piece.length
        self.size += length
        self.position_in_file += length

    def pad(self, size: int) -> None:
        self.size += size

    def cut(self) -> Segment:
        segment = Segment(self.size, tuple(self._blocks), tuple(self._files))
        self.size, self._blocks, self._files = 0, [], []
        return segment


def _is_cut(path: bytes, size: int) -> bool:
    """Whether the entry at `path` is one to cut behind: the larger it is, the more likely, which keeps cuts evenly apart."""
    drawn = int.from_bytes(hashlib.sha256(path).digest()[:4], "big")
    return drawn * _CUT_DISTANCE < size << 32


def _pieces(content: Content, size: int, archives: _ArchiveContents) -> Iterator[bytes | FilePart]:
    """The content of a file in pieces that end where a segment may."""
    if not size:
        return
    if isinstance(content, FileContent):
        for offset in range(0, size, SEGMENT_SIZE):
            yield FilePart(0, content, offset, min(SEGMENT_SIZE, size - offset))
    elif isinstance(content, bytes):
        for offset in range(0, size, SEGMENT_SIZE):
            yield content[offset : offset + SEGMENT_SIZE]
    else:
        yield from _regrouped(archives.read(content, size))


def _regrouped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks of any size as pieces of a segment's size, so that the archive's packing has no say in the cuts."""
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        while len(pending) >= SEGMENT_SIZE:
            yield bytes(pending[:SEGMENT_SIZE])
            del pending[:SEGMENT_SIZE]
    if pending:
        yield bytes(pending)


class _ArchiveContents:
    """The archives of a layer, each read once more from front to back; members are asked for in that order."""

    def __init__(self) -> None:
        self._item: int | None = None

    def read(self, content: ArchiveContent, size: int) -> Iterator[bytes]:
        if content.item != self._item:
            self._item = content.item
            self._reader = read_members(content.archive, printable(content.archive.path))
            self._members = enumerate(self._reader)
        for ordinal, member in self._members:
            if ordinal == content.ordinal and member.size == size:
                return self._reader.content(size)
        raise SourceError(
            f"{printable(content.archive.path)} changed during the build",
            hint="nothing may write to the sources while they are read; run the build again",
        )
