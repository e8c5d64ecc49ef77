"""A path on disk as it was found: what lstat says of it.

Most of that are bytes of one layout, since tens of thousands of files are compared and hashed as a whole, and few are asked for a
number. Times are seconds and nanoseconds, which holds whatever a file system can, before 1970 and beyond 2262.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from ocibuild.oci.tar_format import Xattrs

_LAYOUT = struct.Struct("=QQQIqIIIqIQ")  # the fields of LstatFacts; `_disk.c` writes them too
_SECOND = 1_000_000_000

# Parts of the bytes: what tells a file from all others; its size and when it was written to; its mode and owner; those and its mtime
# in whole seconds.
IDENTITY, CONTENT, ACCESS, ACCESS_AND_MTIME = slice(0, 16), slice(16, 36), slice(36, 48), slice(28, 48)


class LstatFacts(NamedTuple):
    """What the bytes stand for: each time in whole seconds, and the nanoseconds beyond them."""

    device: int
    inode: int
    size: int
    mtime_rest: int
    mtime: int
    mode: int
    uid: int
    gid: int
    ctime: int
    ctime_rest: int
    names: int


class Found(NamedTuple):
    """The file, directory or link at `path` (which is absolute) as it was found: its facts as bytes, and those of them that are
    asked for most; where a symbolic link leads; extended attributes, if they are wanted.

    Whoever reads a file later makes sure that it is still that very file, unchanged.
    """

    path: bytes
    facts: bytes
    mode: int
    size: int
    names: int
    newest_ns: int  # of its times
    link: bytes = b""
    xattrs: Xattrs = ()


def found_at(path: bytes, facts: os.stat_result) -> Found:
    """What is at `path`, of which this is the lstat."""
    newest_ns = max(facts.st_mtime_ns, facts.st_ctime_ns)
    return Found(path, packed(facts), facts.st_mode, facts.st_size, facts.st_nlink, newest_ns)


def packed(facts: os.stat_result) -> bytes:
    """The facts as bytes."""
    mtime, mtime_rest = divmod(facts.st_mtime_ns, _SECOND)
    ctime, ctime_rest = divmod(facts.st_ctime_ns, _SECOND)
    return _LAYOUT.pack(
        facts.st_dev, facts.st_ino, facts.st_size, mtime_rest, mtime,
        facts.st_mode, facts.st_uid, facts.st_gid, ctime, ctime_rest, facts.st_nlink,
    )  # fmt: skip


def unpacked(facts: bytes) -> LstatFacts:
    """What the bytes stand for."""
    return LstatFacts(*_LAYOUT.unpack(facts))
