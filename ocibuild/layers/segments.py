"""Members -> the tar stream, cut into segments: what is packed as one unit, and what is not packed again if it is unchanged.

Where to cut depends on content alone. A large file is cut after every 1 MiB of it. Between smaller ones a cut falls behind
entries that their paths single out, about every 512 KiB; it is left out where a segment would stay below 768 KiB, and forced
where one reaches 2 MiB. So no segment exceeds 3 MiB and a header, and soon behind a change the same cuts come back (a cut at a
fixed size alone would move all that follow it).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ocibuild.errors import SourceError
from ocibuild.layers.archive_source import read_members
from ocibuild.layers.disk import FilePart, load
from ocibuild.layers.entries import ArchiveContent, Content
from ocibuild.layers.found import Found
from ocibuild.layers.tar import END_OF_ARCHIVE, Member
from ocibuild.oci.digest import fast_hash
from ocibuild.oci.tar_format import padding, printable

SEGMENT_SIZE = 1 << 20  # of the pieces of a large file
_LEAST, _MOST, _CUT_DISTANCE = 768 << 10, 2 << 20, 512 << 10


class Segment(NamedTuple):
    """A stretch of the tar stream: bytes at their positions, parts of files, zeros in between and up to `size`."""

    size: int
    blocks: tuple[tuple[int, bytes], ...]
    files: tuple[FilePart, ...]

    def made_of(self) -> tuple[bytes, int]:
        """A hash of all that decides the bytes of the stretch, told without reading a file, and the newest time of its files."""
        at, blocks = zip(*self.blocks, strict=True) if self.blocks else ((), ())
        positions, contents, offsets, lengths = zip(*self.files, strict=True) if self.files else ((), (), (), ())
        numbers = (self.size, len(at), len(positions), *at, *map(len, blocks), *positions, *offsets, *lengths)
        facts = (content.facts for content in contents)
        newest_ns = max((content.newest_ns for content in contents), default=0)
        return fast_hash(struct.pack(f"{len(numbers)}Q", *numbers) + b"".join((*facts, *blocks))), newest_ns

    def load(self) -> bytearray:
        """The bytes of the stretch. SourceError if a file is not any more what the walk saw."""
        return load(self.size, self.blocks, self.files)


def segments(members: Iterable[Member]) -> Iterator[Segment]:
    """The whole tar stream of `members`, its end included."""
    cutter = _Cutter()
    archives = _ArchiveContents()
    for path, block, size, content in members:
        if isinstance(content, Found) and size < SEGMENT_SIZE:  # nearly all of most layers
            cutter.add_small(block, content, size)
        else:
            cutter.add(block)
            for piece in _pieces(content, size, archives):
                cutter.add_piece(piece)
                if cutter.position_in_file % SEGMENT_SIZE == 0:
                    yield cutter.cut()
            cutter.pad(padding(size))
        if cutter.size >= _LEAST and (cutter.size >= _MOST or _is_cut(path, len(block) + size)):
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

    def add_small(self, block: bytes, content: Found, size: int) -> None:
        """Append a file that is smaller than a segment, as a whole."""
        start = self.size + len(block)
        self._blocks.append((self.size, block))
        if size:
            self._files.append((start, content, 0, size))
        self.size = start + size + padding(size)

    def add_piece(self, piece: bytes | FilePart) -> None:
        """Append a piece of a file's content; its position is yet to be said."""
        if isinstance(piece, bytes):
            self._blocks.append((self.size, piece))
            length = len(piece)
        else:
            _, content, offset, length = piece
            self._files.append((self.size, content, offset, length))
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
    if isinstance(content, Found):
        for offset in range(0, size, SEGMENT_SIZE):
            yield 0, content, offset, min(SEGMENT_SIZE, size - offset)
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
