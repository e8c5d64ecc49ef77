"""The only way that files get to a final path: written beside it as `ocibuild-*.tmp`, synced to the disk, then renamed.

So a path holds the whole file or what it held before, whatever ends the process or the machine. A process that is killed
leaves its temporary file behind; the next one removes it. Not synced is what no crash of the machine could make a loss: what
lies in a working directory, and records of the cache.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR
from types import TracebackType
from typing import Self

from ocibuild.errors import StoreError, UsageError
from ocibuild.oci.compression import Buffer
from ocibuild.oci.digest import Digest
from ocibuild.store.abandoned import LOCK, claim, remove_abandoned
from ocibuild.store.writeback import STEP, begin_writing

# Blobs are read-only, as containerd keeps them: an editor or a redirection cannot change what a digest names. Both modes
# are the same under every umask, so that a layout built by one CI job can be read by the next.
BLOB_MODE = 0o444
FILE_MODE = 0o644

_PREFIX, _SUFFIX = "ocibuild-", ".tmp"
_WORK_PREFIX = ".ocibuild-work-"
_OWN_DIRECTORY = Path(".ocibuild")
_HINTS = {
    errno.ENOSPC: "free some space there, or choose another disk",
    errno.EDQUOT: "your quota there is used up: free some space, or choose another disk",
    errno.EROFS: "that file system is read-only: choose another place",
    errno.EACCES: "change the permissions there, or choose another place",
    errno.EPERM: "change the permissions there, or choose another place",
    errno.EIO: "the disk reports a fault: choose another one",
    errno.EEXIST: "a file stands there: choose another name (a single file is oci-archive:FILE)",
    errno.ENOENT: "check the path: it or a directory of it is missing, or a link leads nowhere",
    errno.ENOTDIR: "a part of that path is a file: choose another place",
    errno.EISDIR: "a directory stands there: choose another name",
    errno.EFBIG: "a file may not be that large there: raise the limit (`ulimit -f`), or choose another disk",
    errno.EMFILE: "raise the number of files that may be open (`ulimit -n`), or work with fewer `--jobs`",
}


@contextmanager
def disk_errors(action: str, path: Path | str) -> Iterator[None]:
    """Turns what the operating system refuses into a StoreError that says what was tried, where, and what helps."""
    try:
        yield
    except OSError as error:
        raise store_error(action, path, error) from error


def store_error(action: str, path: Path | str, error: OSError) -> StoreError:
    """The error for what the operating system refused, with what helps against it."""
    hint = _HINTS.get(error.errno or 0)
    return StoreError(f"cannot {action}: {error.strerror or error}", where=str(path), hint=hint)


class StagedFile:
    """A file in the making, beside the path it is for. It is gone when its `with` block ends, unless it was published."""

    def __init__(self, directory: Path, *, mode: int = FILE_MODE) -> None:
        with disk_errors("write a file", directory):
            self._fd, self._path = _new_file(directory)
        self._mode = mode
        self._published = False
        self._is_passing = _is_passing(self._path)
        self.position = 0  # how many bytes were appended so far
        self._on_its_way = 0  # how many of them the system was asked to write to the disk

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if not self._published:
            with suppress(OSError):  # the error that led here matters more
                self._path.unlink()

    def write(self, data: Buffer) -> None:
        """Appends `data`, straight to the operating system: hand over large pieces. StoreError where the disk fails."""
        view = memoryview(data).cast("B")
        try:
            while len(view):
                count = os.write(self._fd, view)
                view, self.position = view[count:], self.position + count
        except OSError as error:
            raise store_error("write", self._path, error) from error
        if self.position - self._on_its_way >= STEP and not self._is_passing:
            begin_writing(self._fd, self._on_its_way, self.position - self._on_its_way)
            self._on_its_way = self.position

    def overwrite(self, offset: int, data: bytes) -> None:
        """Puts `data` in place of bytes that were written before."""
        with disk_errors("write", self._path):
            os.pwrite(self._fd, data, offset)

    def publish(self, path: Path, *, durable: bool = True) -> None:
        """Makes `path` the file's name; what stood there is replaced in one step. Unless it may be lost, it is synced."""
        with disk_errors("write", path):
            os.fchmod(self._fd, self._mode)
            if durable and not _is_passing(path):
                os.fsync(self._fd)
            self._path.replace(path)
            self._published = True
            fd, self._fd = self._fd, -1
            os.close(fd)  # and not sooner: a file that nobody holds would count as left behind
            if durable:
                sync_directory(path.parent)


def _is_passing(path: Path) -> bool:
    """Whether `path` is in a working directory: after a crash nobody would look for it, but to remove it."""
    return any(part.startswith(_WORK_PREFIX) for part in path.parts)


def _new_file(directory: Path) -> tuple[int, Path]:
    while True:
        fd, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=directory)
        if claim(fd):
            return fd, Path(name)
        os.close(fd)


class BlobWriter:
    """A blob in the making, whose digest is known at its end only. Without `commit`, nothing of it stays."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = StagedFile(directory, mode=BLOB_MODE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, traceback)

    def write(self, data: Buffer) -> None:
        """Appends `data`, straight to the operating system: hand over large pieces. StoreError where the disk fails."""
        self._file.write(data)

    def commit(self, digest: Digest) -> None:
        """Makes what was written the blob `digest`: the caller has hashed it. A blob of that name is replaced.

        Replacing needs no look at the old file, whose bytes are the same or else damaged; whoever reads it reads on.
        """
        self._file.publish(self._directory / digest.encoded)


def write_file(path: Path, raw: bytes, *, mode: int = FILE_MODE) -> None:
    """Makes `raw` the content of `path`. A symbolic link that stands there is replaced, not followed."""
    with StagedFile(path.parent, mode=mode) as file:
        file.write(raw)
        file.publish(path)


def write_output(path: Path, raw: bytes) -> None:
    """Makes `raw` the content of what a user named: links are followed, and a pipe or a device is written to."""
    if os.path.exists(path) and not os.path.isfile(path):
        with disk_errors("write", path):
            path.write_bytes(raw)
    else:
        write_file(_followed(path), raw)


def refuse_unwritable(path: Path, made: Iterable[Path] = (), *, in_place: bool = False) -> None:
    """StoreError, if `write_output` is sure to fail in the end. A look, before long work: nothing is made or opened.

    The directories `made`, with all above them, are there by then. A file is replaced, or changed `in_place`.
    """
    if os.path.isdir(path):
        raise store_error("write", path, _refusal(errno.EISDIR))
    if os.path.exists(path) and (in_place or not os.path.isfile(path)):
        if not os.access(path, os.W_OK):
            raise store_error("write", path, _refusal(errno.EACCES))
        return
    directory = _followed(path).parent
    will_be = (Path(os.path.abspath(each)) for each in made)
    if not os.path.exists(directory) and any(each.is_relative_to(os.path.abspath(directory)) for each in will_be):
        return
    with disk_errors("write a file", directory):
        if not S_ISDIR(os.stat(directory).st_mode):
            raise _refusal(errno.ENOTDIR)
        if not os.access(directory, os.W_OK | os.X_OK):
            is_read_only = os.statvfs(directory).f_flag & os.ST_RDONLY
            raise _refusal(errno.EROFS if is_read_only else errno.EACCES)


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path)) if os.path.islink(path) else path


def _refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def replaceable(path: Path) -> Path:
    """The file that an output at `path` becomes: links that the user set are followed.

    UsageError for a path that holds anything but a file: renaming over /dev/null as root would be a sad surprise.
    """
    final = Path(os.path.realpath(path))
    if os.path.exists(final) and not os.path.isfile(final):
        hint = (
            f"for a directory write oci:{path}" if os.path.isdir(final) else "name a file that may be made or replaced"
        )
        raise UsageError(f"{path} is not a file", hint=hint)
    return final


@contextmanager
def output_file(path: Path) -> Iterator[StagedFile]:
    """A file that becomes `path` when the block ends well; parents are made. UsageError if it is not `replaceable`."""
    final = replaceable(path)
    make_directory(final.parent)
    remove_abandoned(final.parent, is_temporary)
    with StagedFile(final.parent) as file:
        yield file
        file.publish(final)


@contextmanager
def working_directory(parent: Path) -> Iterator[Path]:
    """A directory in `parent` (which is made) for what leads to an output there; it is gone when the block ends. It is empty
    but for a file `lock`, and nothing that is written to it is synced.

    One that could not be removed, or whose process was killed, is removed by the next run.
    """
    make_directory(parent)
    remove_abandoned(parent, lambda name: name.startswith(_WORK_PREFIX))
    with disk_errors("write to", parent):
        handle, path = _new_directory(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def _new_directory(parent: Path) -> tuple[int, Path]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=parent))
        with suppress(FileNotFoundError):
            handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if claim(handle):
                return handle, path
            os.close(handle)


def make_directory(path: Path) -> None:
    """Makes `path` and its parents, where they are missing. Our own directory, where builds go by default, is not for git."""
    with disk_errors("make the directory", path):
        is_new = path.parent == _OWN_DIRECTORY and not _OWN_DIRECTORY.exists()
        path.mkdir(parents=True, exist_ok=True)
        if is_new:  # not by way of a temporary file: nobody would look for one there
            (_OWN_DIRECTORY / ".gitignore").write_bytes(b"*\n")


def sync_directory(path: Path) -> None:
    """Makes the names in `path` durable, unless nobody needs them to be. OSError where the disk fails."""
    if _is_passing(path):
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def temporary_name(middle: str) -> str:
    """A name that `is_temporary` knows, for what is not made by a `StagedFile`."""
    return f"{_PREFIX}{middle}{_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether `name` is that of a file in the making (or of one whose maker was killed)."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)
