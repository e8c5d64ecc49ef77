"""What stands in a layer: one value for each member of its tar, and where its bytes come from."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from enum import IntEnum
from typing import NamedTuple

from ocibuild.errors import SourceError, quoted
from ocibuild.layers.found import Found
from ocibuild.oci.tar_format import HARDLINK, WHITEOUT_PREFIX, Xattrs, printable
from ocibuild.plan import Origin


class ArchiveContent(NamedTuple):
    """The bytes of member number `ordinal` (from 0) of an archive. Each item of a layer reads its archive for itself."""

    archive: Found
    item: int
    ordinal: int


Content = Found | ArchiveContent | bytes


class Rank(IntEnum):
    """How deliberately an entry was asked for: a directory gives way to one of a higher rank at the same path."""

    IMPLIED = 0
    COPIED = 1
    DECLARED = 2


class Entry(NamedTuple):
    """One member. `path` is relative to the image's root, without a slash at either end; so is `link` of a hard link.

    `links` names the inode behind a file that has several names at its source, so that they become hard links of each other.
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
    links: Hashable = None
    device: tuple[int, int] = (0, 0)
    rank: Rank = Rank.COPIED
    origin: Origin | None = None

    @property
    def is_whiteout(self) -> bool:
        return WHITEOUT_PREFIX in self.path and is_whiteout_name(self.path.rpartition(b"/")[2])

    def as_hard_link(self, first: bytes) -> Entry:
        """The same entry where the file at `first` has its content already."""
        return self._replace(kind=HARDLINK, link=first, size=0, content=b"")


def is_whiteout_name(name: bytes) -> bool:
    """Whether a file of this name removes something (image-spec layer.md) and so cannot be one that is put in place."""
    return name.startswith(WHITEOUT_PREFIX)


def encoded(text: str) -> bytes:
    """A path of the plan as bytes: UTF-8 whatever the locale is, and surrogates as the bytes that they stand for."""
    return text.encode("utf-8", "surrogateescape")


def image_path(path: str, origin: Origin | None) -> bytes:
    """An absolute path of the plan as entries have it, normalised. SourceError for one that no layer can hold."""
    try:
        parts = [part for part in encoded(path).split(b"/") if part not in (b"", b".")]
    except UnicodeEncodeError:
        parts = [b"\0"]
    if any(part == b".." or b"\0" in part or is_whiteout_name(part) for part in parts):
        raise SourceError(
            f"{quoted(path)} cannot be a path in an image",
            where=str(origin) if origin else None,
            hint="write it without `..`, without NUL characters, and without names that begin with `.wh.`",
        )
    return b"/".join(parts)


def shown(path: bytes) -> str:
    """A path of the image as messages show it: absolute, and without characters that a terminal would act on."""
    return "/" + printable(path)


def total_size(entries: Iterable[Entry]) -> int:
    """The number of content bytes in `entries`."""
    return sum(entry.size for entry in entries)
