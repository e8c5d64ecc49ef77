"""What stands in a layer: one value for each member of its tar, and where its bytes come from."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from ocibuild.plan import Origin

Xattrs = tuple[tuple[str, bytes], ...]

WHITEOUT_PREFIX = b".wh."  # image-spec layer.md, "Whiteouts"
OPAQUE_WHITEOUT = b".wh..wh..opq"


# Typeflags of the ustar header, and so the kinds of entries.
FILE, HARDLINK, SYMLINK = b"0", b"1", b"2"
CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO = b"3", b"4", b"5", b"6"


class FileContent(NamedTuple):
    """A file on disk as the walk saw it. Whoever reads it later makes sure that it is still that very file, unchanged."""

    path: bytes
    device: int
    inode: int
    size: int
    mtime_ns: int


class ArchiveContent(NamedTuple):
    """The bytes of member number `ordinal` (from 0) of an archive."""

    archive: FileContent
    ordinal: int


Content = FileContent | ArchiveContent | bytes


class Rank(IntEnum):
    """How deliberately an entry was asked for: a directory gives way to one of a higher rank at the same path."""

    IMPLIED = 0
    COPIED = 1
    DECLARED = 2


class Entry(NamedTuple):
    """One member. `path` is relative to the image's root, without a slash at either end; so is `link` of a hard link.

    `links` names the inode behind a file that has several names on disk, so that they become hard links of each other.
    A NamedTuple, since a layer has tens of thousands of them.
    """

    path: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    link: bytes = b""
    content: Content = b""
    xattrs: Xattrs = ()
    links: tuple[int, int] | None = None
    device: tuple[int, int] = (0, 0)
    rank: Rank = Rank.COPIED
    origin: Origin | None = None

    @property
    def name(self) -> bytes:
        """The last component of the path."""
        return self.path.rpartition(b"/")[2]

    @property
    def is_whiteout(self) -> bool:
        return self.name.startswith(WHITEOUT_PREFIX)


def shown(path: bytes) -> str:
    """A path of the image as messages show it: absolute, and without characters that a terminal would act on."""
    return "/" + printable(path)


def printable(path: bytes) -> str:
    """A path as text that is safe on a terminal."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def total_size(entries: Iterable[Entry]) -> int:
    """The number of content bytes in `entries`."""
    return sum(entry.size for entry in entries)
