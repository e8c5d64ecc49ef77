"""The directory that a spec's sources may come from, and the guarantee that nothing outside it is read.

A source is resolved one component at a time, relative to directory handles and never following a link by itself
(CVE-2024-1753, CVE-2024-23651: build contexts left through links, or through directories swapped during the walk). Links are
followed by hand while they stay inside; trees below a source are walked without following any.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

from ocibuild.errors import SourceError, quoted
from ocibuild.layers.entries import encoded
from ocibuild.layers.found import CONTENT, IDENTITY, Found, packed
from ocibuild.oci.tar_format import printable
from ocibuild.plan import Origin

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a file that was swapped for a FIFO must not make the build wait for a writer.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LINK_LIMIT = 40
# What opening a path answers when something else has come to stand there; all else is a trouble of its own.
_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ESPIPE)


def open_directory(name: str | bytes, dir_fd: int | None = None) -> int:
    """A handle on the directory `name`, which is no link; the caller closes it."""
    return os.open(name, _DIRECTORY_FLAGS, dir_fd=dir_fd)


def open_file(name: str | bytes, dir_fd: int | None = None) -> int:
    """A handle on the file `name`, which is no link; the caller closes it."""
    return os.open(name, _FILE_FLAGS, dir_fd=dir_fd)


@contextmanager
def opened(name: str | bytes, dir_fd: int | None = None) -> Iterator[int]:
    """The same, until the end of a block."""
    handle = open_file(name, dir_fd)
    try:
        yield handle
    finally:
        os.close(handle)


class Source(NamedTuple):
    """A source that was found: `parts` lead to it from `root` without any link, `facts` are its lstat."""

    root: bytes
    parts: tuple[bytes, ...]
    facts: os.stat_result

    @property
    def path(self) -> bytes:
        return os.path.join(self.root, *self.parts)

    @property
    def inside(self) -> bytes:
        """What the paths of all that is in the directory begin with."""
        return os.path.join(self.path, b"")

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.facts.st_mode)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A handle on the source if it is a directory, on the directory that holds it if it is not.

        SourceError if it is not any more what was found.
        """
        with ExitStack() as stack:
            try:
                handle = _open_chain(stack, self.root, self.parts if self.is_directory else self.parts[:-1])
            except OSError as error:
                raise _vanished(self.path, error) from error
            yield handle


def find(root: Path, source: str, origin: Origin | None) -> Source:
    """Look `source` up below `root`. SourceError if it does not exist, or if a link on the way leads out of `root`."""
    if source.startswith("/"):
        raise SourceError(
            f"the source {source!r} is absolute",
            where=_where(origin),
            hint="sources are relative to the directory of the spec, and come from there and below",
        )
    try:
        real = os.path.realpath(os.fsencode(root))
        parts = _follow(real, source, origin)
        with ExitStack() as stack:
            if not parts:
                return Source(real, (), os.fstat(_open_chain(stack, real, ())))
            parent = _open_chain(stack, real, parts[:-1])
            return Source(real, parts, os.stat(parts[-1], dir_fd=parent, follow_symlinks=False))
    except OSError as error:
        raise _missing(source, error, origin) from error
    except ValueError as error:  # a NUL, or a surrogate that stands for no byte
        raise SourceError(
            f"{quoted(source)} cannot be the name of a file",
            where=_where(origin),
            hint="a name has no NUL character, and is UTF-8",
        ) from error


def _vanished(path: bytes, error: OSError) -> SourceError:
    """The error for a source that was found, and that cannot be looked at any more."""
    hint = "it was there a moment ago: if something removed or replaced it in mid-build, build again"
    if error.errno not in _REPLACED:
        hint = _way_out(error)
    return SourceError(f"{printable(path)} cannot be read: {error.strerror}", hint=hint)


def _way_out(error: OSError) -> str:
    """What helps against a file that is there and cannot be read."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "make it readable for this user, or `exclude` it"
    return "the file or the machine is at fault, and not the spec: mend that, and run the build again"


def components(path: str) -> list[bytes]:
    """The names that `path` goes through, `..` among them."""
    return _components(encoded(path))


def _components(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def _open_chain(stack: ExitStack, root: bytes, parts: Sequence[bytes]) -> int:
    handle = open_directory(root)
    stack.callback(os.close, handle)
    for part in parts:
        handle = open_directory(part, handle)
        stack.callback(os.close, handle)
    return handle


def _follow(real: bytes, source: str, origin: Origin | None) -> tuple[bytes, ...]:
    """The components of `source` with every link in it replaced by where it leads, as long as that is inside."""
    left, done, links = components(source), list[bytes](), 0
    while left:
        part = left.pop(0)
        if part == b"..":
            if not done:
                _refuse_escape(source, links, origin)
            done.pop()
            continue
        target = _read_link(os.path.join(real, *done, part))
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > _LINK_LIMIT:
            raise SourceError(
                f"{source!r} is a chain of links without an end",
                where=_where(origin),
                hint="one of the links leads back to itself: mend it, or name the file that is meant",
            )
        if os.path.isabs(target):
            done, target = [], os.path.relpath(target, real)
        left = _components(target) + left
    return tuple(done)


def _read_link(path: bytes) -> bytes | None:
    return os.readlink(path) if stat.S_ISLNK(os.lstat(path).st_mode) else None


def _refuse_escape(source: str, links: int, origin: Origin | None) -> NoReturn:
    raise SourceError(
        f"{source!r} {'is a link that leads' if links else 'leads'} out of the directory of the spec",
        where=_where(origin),
        hint="sources come from the spec's directory and below; copy the file there, or move the spec up",
    )


def _missing(source: str, error: OSError, origin: Origin | None) -> SourceError:
    """The error for a source that cannot be looked at."""
    if isinstance(error, FileNotFoundError):
        return SourceError(
            f"{source!r} does not exist",
            where=_where(origin),
            hint="sources are relative to the directory of the spec; was the step that makes this file run?",
        )
    hint = "each name on the way to it has to be a directory that this user may look into"
    if error.errno not in (errno.EACCES, errno.EPERM, *_REPLACED):
        hint = _way_out(error)
    return SourceError(f"{source!r} cannot be read: {error.strerror}", where=_where(origin), hint=hint)


def _where(origin: Origin | None) -> str | None:
    return str(origin) if origin else None


def read_file(content: Found, chunk_size: int) -> Iterator[bytes]:
    """The bytes of the very file that `content` names. SourceError as soon as it is not any more what the walk saw."""
    try:
        with opened(content.path) as handle:
            check_unchanged(handle, content)
            left = content.size
            while chunk := os.read(handle, chunk_size):
                check_unchanged(handle, content)
                left -= len(chunk)
                yield chunk
            if left:  # cut and mended within one tick of the file system's clock
                raise _changed(content, "its content was written to")
    except OSError as error:
        raise _unreadable(content, error) from error


def read_into(view: memoryview, content: Found, offset: int) -> None:
    """Fill `view` with the bytes of the file from `offset` on, and make sure that it still is what the walk saw.

    Identity is what keeps the context closed: whatever was swapped for a link or another directory since, the inode that was
    read is the one that the walk found inside.
    """
    try:
        handle = open_file(content.path)
        try:
            while (count := os.preadv(handle, (view,), offset)) < len(view):
                if count == 0:
                    raise _changed(content, "it became shorter")
                view, offset = view[count:], offset + count
            check_unchanged(handle, content)
        finally:
            os.close(handle)
    except OSError as error:
        raise _unreadable(content, error) from error


def check_unchanged(handle: int, content: Found) -> None:
    """SourceError unless the open file is the one in `content`, with the same size and mtime."""
    facts = packed(os.fstat(handle))
    if facts[IDENTITY] != content.facts[IDENTITY]:
        raise _changed(content, "another file has taken its place")
    if facts[CONTENT] != content.facts[CONTENT]:
        raise _changed(content, "its content was written to")


def _unreadable(content: Found, error: OSError) -> SourceError:
    """The error for a file that the walk saw and that cannot be read now."""
    if error.errno in _REPLACED:
        gone = error.errno in (errno.ENOENT, errno.ENOTDIR)
        return _changed(content, "it was removed" if gone else "something else has taken its place")
    return SourceError(f"{printable(content.path)} cannot be read: {error.strerror}", hint=_way_out(error))


def _changed(content: Found, reason: str) -> SourceError:
    return SourceError(
        f"{printable(content.path)} changed during the build: {reason}",
        hint="nothing may write to the sources while they are read; run the build again when they are at rest",
    )
