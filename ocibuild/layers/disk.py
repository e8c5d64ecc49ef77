"""What a layer asks of the disk for every one of its files: its facts, and its bytes.

A tree of tens of thousands of files is as many system calls, several times over, and each of them gives the interpreter's lock
away and has to get it back. `_disk.c` makes them for many files in one call, beside all other threads, which is a tenth to a fifth of
the time of a build. Where it was not compiled (docs/performance.md says when), the same is done here, file by file.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Lock
from types import ModuleType

from ocibuild.layers.context import open_directory, open_file, read_into
from ocibuild.layers.found import IDENTITY, Found, found_at, packed

_INTERFACE = 3
# File by file, threads that read at the same time take the interpreter's lock from one another, which costs a fifth more time on
# two cores and more on more. So they read in turn; who waits longer than `_PATIENCE` seconds has a slow disk, and that serves
# several faster.
_TURN, _PATIENCE = Lock(), 0.05
_ENCODING = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # what `os.fsencode` looks up for each name


def _compiled_module() -> ModuleType | None:
    try:
        module = import_module("ocibuild.layers._disk")
    except ImportError:
        return None
    # A checkout may hold one that was compiled from an older source.
    return module if getattr(module, "INTERFACE", 0) == _INTERFACE else None


_compiled = _compiled_module()


# `length` bytes of a file from `offset` on, to be read when the segment is, and the position in it where they go: position, file,
# offset, length. A plain tuple, since there is one for each file of a layer.
FilePart = tuple[int, Found, int, int]


def look(root: int, start: int, directories: tuple[Found, ...]) -> Iterator[list[Found]]:
    """What is in each of `directories`, in the order of the bytes of the names; no link is followed. Extended attributes are not
    among it.

    They were found below the open directory `root`, whose own path is so long that without the first `start` bytes theirs are
    relative to it. OSError where something cannot be told, or where another directory has taken the place of one.
    """
    lists: list[list[Found]] = []
    if _compiled is not None:
        lists = _compiled.look(root, start, directories, Found)
    yield from lists
    for directory in directories[len(lists) :]:  # the next one is in trouble: that it is told of, or is over by now
        yield _list(root, start, directory)


def _list(root: int, start: int, directory: Found) -> list[Found]:
    with opened_as_found(root, start, directory) as handle:
        names = sorted(name.encode(*_ENCODING) for name in os.listdir(handle))
        return [_found_in(directory.path, name, handle) for name in names]


def _found_in(directory: bytes, name: bytes, handle: int) -> Found:
    found = found_at(os.path.join(directory, name), os.lstat(name, dir_fd=handle))
    return found._replace(link=os.readlink(name, dir_fd=handle)) if stat.S_ISLNK(found.mode) else found


@contextmanager
def opened_as_found(root: int, start: int, found: Found) -> Iterator[int]:
    """A handle on a file or directory that was found below `root`, as in `look`. OSError unless it is the very same."""
    path = found.path[start:] or b"."
    handle = open_directory(path, root) if stat.S_ISDIR(found.mode) else open_file(path, root)
    try:
        if packed(os.fstat(handle))[IDENTITY] != found.facts[IDENTITY]:
            raise OSError(errno.ESTALE, "something else has taken its place")
        yield handle
    finally:
        os.close(handle)


def load(size: int, blocks: tuple[tuple[int, bytes], ...], files: tuple[FilePart, ...]) -> bytearray:
    """`size` bytes: blocks and parts of files at their positions, each in their order, and zeros in between.

    SourceError if a file is not any more what the walk saw.
    """
    buffer: bytearray
    done = 0
    if _compiled is not None:
        buffer, done = _compiled.load(size, blocks, files)
    else:
        buffer = bytearray(size)
        for position, block in blocks:
            buffer[position : position + len(block)] = block
    if done < len(files):  # the next one is in trouble: that it is told of, or is over by now
        _read_in_turn(memoryview(buffer), files[done:])
    return buffer


def _read_in_turn(view: memoryview, files: tuple[FilePart, ...]) -> None:
    is_my_turn = _TURN.acquire(timeout=_PATIENCE)
    try:
        for position, content, offset, length in files:
            read_into(view[position : position + length], content, offset)
    finally:
        if is_my_turn:
            _TURN.release()
