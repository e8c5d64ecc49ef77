"""A layout behind a server: its names are kept in memory between many changes, and uploads grow over several requests.

What does not change often goes through `Layout`; this adds what a registry needs besides: removing names and blobs, files
to send from, and blobs in the making that outlive a request. All that is half written lies in `.ocibuild-uploads`, where a
server that was killed leaves it and the next one removes it: one server at a time may write to a layout.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

from ocibuild.errors import IntegrityError, NotFoundError, StoreError
from ocibuild.events import Emit, silent
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.reference import Reference
from ocibuild.store.index_document import entries_of
from ocibuild.store.layout import Layout
from ocibuild.store.locking import is_acquired
from ocibuild.store.naming import Entry, entry_of, named
from ocibuild.store.reading import BLOBS, INDEX_FILE, blob_path, open_regular
from ocibuild.store.writing import (
    BLOB_MODE,
    StagedFile,
    disk_errors,
    is_temporary,
    make_directory,
    sync_directory,
)

UPLOADS = ".ocibuild-uploads"
_LOCK = "lock"
_PIECE = 1 << 20


class Upload(StagedFile):
    """A blob in the making, which can be read back. Gone unless it is committed before it is discarded."""

    def __init__(self, directory: Path, blobs: Path) -> None:
        super().__init__(directory, mode=BLOB_MODE)
        self._blobs = blobs

    def pieces(self) -> Iterator[bytes]:
        """What was written so far, from its beginning."""
        position = 0
        with disk_errors("read", self._path):
            while piece := os.pread(self._fd, _PIECE, position):
                position += len(piece)
                yield piece

    def commit(self, digest: Digest) -> None:
        """Makes what was written the blob `digest`: the caller has hashed it."""
        directory = self._blobs / digest.algorithm
        make_directory(directory)
        self.publish(directory / digest.encoded)

    def discard(self) -> None:
        """Removes the file, unless it has become a blob."""
        self.__exit__(None, None, None)


@dataclass(frozen=True, slots=True)
class _Row:
    entry: Entry
    encoded: bytes


@dataclass(frozen=True, slots=True)
class _Table:
    """index.json as it was when its file had this stamp; `members` is all of it besides `manifests`."""

    stamp: tuple[int, int, int]
    members: dict[str, Any]
    rows: tuple[_Row, ...]
    entries: tuple[Entry, ...]

    def encoded_with(self, rows: Sequence[_Row]) -> bytes:
        """The canonical JSON of index.json with these rows, each encoded once in its life: there may be 10,000."""
        members = {encode(name): encode(value) for name, value in self.members.items()}
        members[b'"manifests"'] = b"[%b]" % b",".join(row.encoded for row in rows)
        return b"{%b}" % b",".join(b"%b:%b" % pair for pair in sorted(members.items()))


class ServedLayout(Layout):
    """A layout as the storage of a registry server. Safe to use from several threads, beside other processes that build."""

    def __init__(self, path: Path, *, emit: Emit = silent) -> None:
        super().__init__(path, emit=emit)
        self._table: _Table | None = None
        self._changing = threading.Lock()

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Uploads may begin while this is entered. StoreError where another server writes to the layout."""
        from filelock import FileLock

        directory = self.path / UPLOADS
        make_directory(directory)
        lock = FileLock(directory / _LOCK, thread_local=False)
        with disk_errors("lock", directory):
            if not is_acquired(lock, 0):
                raise StoreError(
                    "another server writes to this layout",
                    where=self.where,
                    hint="end that one, or serve the layout with --read-only",
                )
        try:
            _remove_uploads(directory)
            yield
        finally:
            _remove_uploads(directory)
            lock.release()

    def names(self) -> Sequence[Entry]:
        """What index.json lists. The same object as long as that file does not change, whoever changes it."""
        return self._current().entries

    def change_names(self, *, put: Iterable[tuple[Reference, Descriptor]], drop: Callable[[Entry], bool]) -> None:
        """Lists each descriptor of `put` under its reference, instead of all entries that `drop` says yes to."""
        with self._changing, self._exclusive():
            table = self._current()
            kept = [row for row in table.rows if not drop(row.entry)]
            rows = tuple(sorted([*kept, *(_row(*pair) for pair in put)], key=lambda row: row.entry.key))
            if rows == table.rows:
                return
            with StagedFile(self.path / UPLOADS) as file:
                file.write(table.encoded_with(rows))
                file.publish(self.path / INDEX_FILE)
            self._table = _Table(self._stamp(), table.members, rows, tuple(row.entry for row in rows))

    def size_of(self, digest: Digest) -> int | None:
        """The size of a blob; None where there is no such regular file."""
        try:
            status = (self.path / blob_path(digest)).lstat()
        except OSError:
            return None
        return status.st_size if S_ISREG(status.st_mode) else None

    def open_file(self, digest: Digest) -> BinaryIO:
        """A blob to send from; nothing in it is verified. NotFoundError where there is no such regular file, StoreError where it
        cannot be opened."""
        try:
            fd = open_regular(self.path / blob_path(digest))
        except (FileNotFoundError, IntegrityError) as error:
            raise NotFoundError(f"there is no {self._subject(f'blob {digest}')}") from error
        return os.fdopen(fd, "rb", buffering=0)

    def remove_blob(self, digest: Digest) -> None:
        """Removes a blob's file, if it is there; whoever reads it reads on."""
        path = self.path / blob_path(digest)
        with disk_errors("remove", path), suppress(FileNotFoundError):
            path.unlink()
            sync_directory(path.parent)

    def new_upload(self) -> Upload:
        """A blob to be received. To be committed or discarded."""
        return Upload(self.path / UPLOADS, self.path / BLOBS)

    def _current(self) -> _Table:
        table, stamp = self._table, self._stamp()  # stamp before content: a change in between is seen the next time
        if table is None or table.stamp != stamp:
            table = self._table = self._read_table(stamp)
        return table

    def _read_table(self, stamp: tuple[int, int, int]) -> _Table:
        document = self._read_index()
        entries = entries_of(document, subject=self._subject(INDEX_FILE))
        rows = tuple(_Row(entry, encode(raw)) for entry, raw in zip(entries, document["manifests"], strict=True))
        members = {name: value for name, value in document.items() if name != "manifests"}
        return _Table(stamp, members, rows, tuple(entries))

    def _stamp(self) -> tuple[int, int, int]:
        path = self.path / INDEX_FILE
        with disk_errors("read", path):
            status = path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns


def _row(reference: Reference, descriptor: Descriptor) -> _Row:
    listed = named(descriptor, reference=reference)
    return _Row(entry_of(listed), encode(listed.to_json()))


def _remove_uploads(directory: Path) -> None:
    with suppress(OSError):
        for name in os.listdir(directory):
            if is_temporary(name):
                (directory / name).unlink(missing_ok=True)
