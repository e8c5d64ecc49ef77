"""Reading single files out of an archive that stays on disk: its members are listed once, then read where they lie.

Nothing is ever extracted, so no name or link in an archive can reach anything but another member.
"""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ocibuild.errors import IntegrityError, StoreError
from ocibuild.oci.compression import sniff
from ocibuild.oci.media_type import Compression
from ocibuild.store.reading import OpenFile
from ocibuild.store.writing import disk_errors

_CHUNK = 1 << 20
_HEADER_LIMIT = 1 << 20
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
        with disk_errors("read", path), _Headers(path) as file:
            _refuse_packed(file, path)
            self._identity = _identity(file.fileno())
            self._members = _list_members(file, path)

    @contextmanager
    def open(self, name: str) -> Iterator[OpenFile]:
        """Opens a member by its path, links followed inside the archive. FileNotFoundError where there is none."""
        member = self._find(name)
        with disk_errors("read", self._path):
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
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


def _refuse_packed(file: _Headers, path: Path) -> None:
    compression = sniff(file.read(8))
    file.seek(0)
    if compression is not Compression.NONE:
        raise StoreError(
            f"the archive is packed with {compression.value}; only a plain tar can be read in any order",
            where=str(path),
            hint=f"unpack it first: {_UNPACKERS[compression]} < {path} > image.tar",
        )


class _Headers(io.FileIO):
    """What tarfile reads of an archive. It skips contents, so a large read is a header that lies about its size."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _HEADER_LIMIT:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        return super().read(size) or b""


def _list_members(file: _Headers, path: Path) -> dict[str, _Member]:
    members: dict[str, _Member] = {}
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for info in archive:
                if (member := _member(info)) is not None:
                    members[_normal(info.name)] = member
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise IntegrityError(f"no valid tar: {error}", where=str(path)) from error
    return members


def _member(info: tarfile.TarInfo) -> _Member | None:
    if info.isreg() and not info.issparse():
        return _Member(info.offset_data, info.size)
    if info.islnk():
        return _Member(target=_normal(info.linkname))
    if info.issym():
        return _Member(target=_normal(posixpath.join(posixpath.dirname(info.name), info.linkname)))
    return None


def _span(fd: int, member: _Member, path: Path) -> Iterator[bytes]:
    position, end = member.offset, member.offset + member.size
    while position < end:
        with disk_errors("read", path):
            chunk = os.pread(fd, min(_CHUNK, end - position), position)
        if not chunk:
            raise IntegrityError("the archive ends in the middle of a file", where=str(path))
        position += len(chunk)
        yield chunk
