"""Reading single files out of an archive that stays on disk: its members are listed once, then read where they lie.

Nothing is ever extracted, so no name or link in an archive can reach anything but another member.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from stat import S_ISREG

from ocibuild.errors import IntegrityError, StoreError, TarError
from ocibuild.oci.compression import sniff
from ocibuild.oci.media_type import Compression
from ocibuild.oci.tar_format import FILE, HARDLINK, SYMLINK
from ocibuild.oci.tar_reader import Member, TarReader
from ocibuild.store.reading import OpenFile
from ocibuild.store.writing import disk_errors

_CHUNK = 1 << 20
_HEADERS = 1 << 13  # read at once where headers are looked for: mostly a header or two with nothing of a large file
_LINK_LIMIT = 8
_UNPACKERS = {Compression.GZIP: "gunzip", Compression.ZSTD: "unzstd", Compression.XZ: "unxz"}


@dataclass(frozen=True, slots=True)
class _Member:
    """Where a file's bytes lie, or (`target`) which other member has them."""

    offset: int = 0
    size: int = 0
    target: str | None = None


class TarFiles:
    """The files in a plain tar. Safe to use from several threads.

    StoreError where it cannot be read, is packed, or is replaced while it is in use; IntegrityError where it is damaged.
    """

    def __init__(self, path: Path, *, where: str) -> None:
        self.where = where
        self._path = path
        if os.path.isdir(path):
            raise StoreError(f"{path} is a directory, and an archive is a file", hint=f"for a layout write oci:{path}")
        with disk_errors("read", path), FileIO(path, opener=_open_at_once) as file:
            _refuse_what_is_no_file(file, path)
            _refuse_packed(file, path)
            self._identity = _identity(file.fileno())
            self._members = _list_members(file, path)

    @contextmanager
    def open(self, name: str) -> Iterator[OpenFile]:
        """Opens a member by its path, links followed inside the archive. FileNotFoundError where there is none."""
        member = self._find(name)
        with disk_errors("read", self._path):
            fd = _open_at_once(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _identity(fd) != self._identity:
                raise StoreError("the archive was changed while it was being read", where=str(self._path))
            yield OpenFile(member.size, _span(fd, member, self._path))
        finally:
            os.close(fd)

    def __contains__(self, name: str) -> bool:
        return _normal(name) in self._members

    def _find(self, name: str) -> _Member:
        path = _normal(name)
        for _ in range(_LINK_LIMIT):
            member = self._members.get(path)
            if member is None:
                break
            if member.target is None:
                return member
            path = member.target
        raise FileNotFoundError(name)


def _normal(name: str) -> str:
    return posixpath.normpath(name.lstrip("/"))


def _identity(fd: int) -> tuple[int, int, int]:
    status = os.fstat(fd)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _open_at_once(path: str | Path, flags: int) -> int:
    """Without waiting for a named pipe's other end."""
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse_what_is_no_file(file: FileIO, path: Path) -> None:
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        raise StoreError(
            "the archive is no regular file",
            where=str(path),
            hint="its parts are read in any order: write it to a file",
        )


def _refuse_packed(file: FileIO, path: Path) -> None:
    compression = sniff(file.read(8) or b"")
    file.seek(0)
    if compression is not Compression.NONE:
        raise StoreError(
            f"the archive is packed with {compression.value}; only a plain tar can be read in any order",
            where=str(path),
            hint=f"unpack it first: {_UNPACKERS[compression]} < {path} > image.tar",
        )


def _list_members(file: FileIO, path: Path) -> dict[str, _Member]:
    members: dict[str, _Member] = {}
    end = os.fstat(file.fileno()).st_size

    def pass_over(size: int) -> None:  # a header may claim more than any file can have
        file.seek(min(file.tell() + size, end))

    try:
        reader = TarReader(iter(partial(file.read, _HEADERS), b""), "the file", pass_over=pass_over)
        for member in reader:
            found = _member(member, reader.offset)
            if found is not None:
                members[_normal(_text(member.path))] = found
    except TarError as error:
        raise IntegrityError(error.what, where=str(path), hint=error.hint) from error
    return members


def _member(member: Member, offset: int) -> _Member | None:
    if member.kind == FILE:
        return _Member(offset, member.size)
    if member.kind == HARDLINK:
        return _Member(target=_normal(_text(member.link)))
    if member.kind == SYMLINK:
        directory = posixpath.dirname(_text(member.path))
        return _Member(target=_normal(posixpath.join(directory, _text(member.link))))
    return None


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _span(fd: int, member: _Member, path: Path) -> Iterator[bytes]:
    position, end = member.offset, member.offset + member.size
    while position < end:
        with disk_errors("read", path):
            chunk = os.pread(fd, min(_CHUNK, end - position), position)
        if not chunk:
            raise IntegrityError("the archive ends in the middle of a file", where=str(path))
        position += len(chunk)
        yield chunk
