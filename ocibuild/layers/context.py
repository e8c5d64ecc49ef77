"""The directory that a spec's sources may come from, and the guarantee that nothing outside it is read.

A source is resolved one component at a time, relative to directory handles and never following a link by itself
(CVE-2024-1753, CVE-2024-23651: build contexts left through links, or through directories swapped during the walk). Links are
followed by hand while they stay inside; trees below a source are walked without following any.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

from ocibuild.errors import SourceError
from ocibuild.layers.entries import FileContent, printable
from ocibuild.plan import Origin

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a file that was swapped for a FIFO must not make the build wait for a writer.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LINK_LIMIT = 40


def file_content(path: bytes, facts: os.stat_result) -> FileContent:
    """What identifies a regular file and its present content."""
    return FileContent(path, facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)


def open_directory(name: str, dir_fd: int | None = None) -> int:
    """A handle on the directory `name`, which is no link; the caller closes it."""
    return os.open(name, _DIRECTORY_FLAGS, dir_fd=dir_fd)


class Source(NamedTuple):
    """A source that was found: `parts` lead to it from `root` without any link, `facts` are its lstat."""

    root: str
    parts: tuple[str, ...]
    facts: os.stat_result

    @property
    def path(self) -> bytes:
        return os.fsencode(os.path.join(self.root, *self.parts))

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A handle on the source, which is a directory."""
        with ExitStack() as stack:
            yield _open_chain(stack, self.root, self.parts)


def find(root: Path, source: str, origin: Origin | None) -> Source:
    """Look `source` up below `root`. SourceError if it does not exist, or if a link on the way leads out of `root`."""
    real = os.path.realpath(root)
    parts = _follow(real, source, origin)
    try:
        with ExitStack() as stack:
            if not parts:
                return Source(real, (), os.fstat(_open_chain(stack, real, ())))
            parent = _open_chain(stack, real, parts[:-1])
            return Source(real, parts, os.stat(parts[-1], dir_fd=parent, follow_symlinks=False))
    except OSError as error:
        raise missing(source, error, origin) from error


def _open_chain(stack: ExitStack, root: str, parts: Sequence[str]) -> int:
    handle = open_directory(root)
    stack.callback(os.close, handle)
    for part in parts:
        handle = open_directory(part, handle)
        stack.callback(os.close, handle)
    return handle


def _follow(real: str, source: str, origin: Origin | None) -> tuple[str, ...]:
    """The components of `source` with every link in it replaced by where it leads, as long as that is inside."""
    left, done, links = _components(source), list[str](), 0
    while left:
        part = left.pop(0)
        if part == "..":
            if not done:
                _refuse_escape(source, origin)
            done.pop()
            continue
        target = _read_link(os.path.join(real, *done, part), source, origin)
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > _LINK_LIMIT:
            raise SourceError(f"{source!r} is a chain of links without an end", where=_where(origin))
        if os.path.isabs(target):
            done, target = [], os.path.relpath(target, real)
        left = _components(target) + left
    return tuple(done)


def _components(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _read_link(path: str, source: str, origin: Origin | None) -> str | None:
    try:
        return os.readlink(path) if stat.S_ISLNK(os.lstat(path).st_mode) else None
    except OSError as error:
        raise missing(source, error, origin) from error


def _refuse_escape(source: str, origin: Origin | None) -> NoReturn:
    raise SourceError(
        f"{source!r} leads out of the directory of the spec",
        where=_where(origin),
        hint="sources come from the spec's directory and below; copy the file there, or move the spec up",
    )


def missing(source: str, error: OSError, origin: Origin | None) -> SourceError:
    """The error for a source that cannot be looked at."""
    if isinstance(error, FileNotFoundError):
        return SourceError(
            f"{source!r} does not exist",
            where=_where(origin),
            hint="sources are relative to the directory of the spec; was the step that makes this file run?",
        )
    return SourceError(f"{source!r} cannot be read: {error.strerror}", where=_where(origin))


def _where(origin: Origin | None) -> str | None:
    return str(origin) if origin else None


@contextmanager
def opened_file(content: FileContent) -> Iterator[int]:
    """A handle on the very file that `content` names. SourceError if something else stands there, or it has changed since.

    The check is made again on leaving: what was read in between is the file as the walk saw it.
    """
    try:
        handle = os.open(content.path, _FILE_FLAGS)
    except OSError as error:
        raise changed(content, error.strerror) from error
    try:
        check_unchanged(handle, content)
        yield handle
        check_unchanged(handle, content)
    finally:
        os.close(handle)


def read_into(view: memoryview, content: FileContent, offset: int) -> None:
    """Fill `view` with the bytes of the file from `offset` on, and make sure that it still is what the walk saw.

    Identity is what keeps the context closed: whatever was swapped for a link or another directory since, the inode that was
    read is the one that the walk found inside.
    """
    try:
        handle = os.open(content.path, _FILE_FLAGS)
    except OSError as error:
        raise changed(content, error.strerror) from error
    try:
        if os.preadv(handle, (view,), offset) != len(view):
            raise changed(content, "it became shorter")
        check_unchanged(handle, content)
    except OSError as error:
        raise changed(content, error.strerror) from error
    finally:
        os.close(handle)


def check_unchanged(handle: int, content: FileContent) -> None:
    """SourceError unless the open file is the one in `content`, with the same size and time of change."""
    facts = os.fstat(handle)
    if (facts.st_dev, facts.st_ino) != (content.device, content.inode):
        raise changed(content, "another file has taken its place")
    if (facts.st_size, facts.st_mtime_ns) != (content.size, content.mtime_ns):
        raise changed(content, "its content was written to")


def changed(content: FileContent, reason: str | None) -> SourceError:
    """The error for a file that is not any more what the walk saw."""
    return SourceError(
        f"{printable(content.path)} changed while it was read: {reason}",
        hint="nothing may write to the sources during a build; run it again when they are at rest",
    )
