"""What stands at a path of an image, and what a layer does to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NamedTuple


class Kind(StrEnum):
    """What an entry is. A hard link is none of these: it is another name for one."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    CHARACTER_DEVICE = "character-device"
    BLOCK_DEVICE = "block-device"
    FIFO = "fifo"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """Attributes and content. Names that are hard links of each other have one and the same `Entry` object.

    `content` is the SHA-256 of a file's bytes, `link` the target of a symbolic link.
    """

    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    content: bytes = b""
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()


# A directory that a layer does not say itself, but puts something in: runtimes make it so.
IMPLIED = Entry(Kind.DIRECTORY, 0o755)


class Action(Enum):
    """What a member of a layer does (image-spec layer.md, "Applying Changesets")."""

    PUT = auto()
    LINK = auto()
    REMOVE = auto()
    EMPTY = auto()


class Change(NamedTuple):
    """One member: puts `entry`, links to the path `target`, removes what is below, or empties a directory.

    Paths are relative to the image's root, `b""` is the root itself. A NamedTuple, since there are so many of them.
    """

    action: Action
    path: bytes
    entry: Entry | None = None
    target: bytes = b""


def shown(path: bytes) -> str:
    """A path of the image as text: absolute; bytes that are not UTF-8 as `\\xNN`."""
    return "/" + path.decode("utf-8", "backslashreplace")


def mode_text(entry: Entry) -> str:
    """Kind and permissions as `ls -l` shows them."""
    letters = ["rwxrwxrwx"[place] if entry.mode >> (8 - place) & 1 else "-" for place in range(9)]
    for bit, place, letter in ((0o4000, 2, "s"), (0o2000, 5, "s"), (0o1000, 8, "t")):
        if entry.mode & bit:
            letters[place] = letter if letters[place] != "-" else letter.upper()
    return _LETTERS[entry.kind] + "".join(letters)


_LETTERS = {
    Kind.FILE: "-",
    Kind.DIRECTORY: "d",
    Kind.SYMLINK: "l",
    Kind.CHARACTER_DEVICE: "c",
    Kind.BLOCK_DEVICE: "b",
    Kind.FIFO: "p",
}
