"""The user's cache: what builds remember of layers, in a directory that may be deleted at any time.

`layers/` has one record a layer, `blobs/` the blobs that they speak of, as hard links to those in layouts: the bytes are not kept
twice as long as the layout has them, and outlive it. Records are written beside their path and renamed, so concurrent builds
see whole ones; they are not synced to the disk, and carry a checksum instead. What a killed build left in the making is removed
by the next one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ocibuild.errors import OcibuildError, StoreError
from ocibuild.oci.blobs import BlobSource
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.store.abandoned import remove_abandoned
from ocibuild.store.layout import Layout
from ocibuild.store.reading import blob_path
from ocibuild.store.writing import StagedFile, is_temporary, temporary_name

RECORDS, BLOBS = "layers", "blobs"
_CHUNK = 1 << 20
_RECORD_MODE = 0o600
_CHECKSUM = hashlib.sha256().digest_size


class LayerRecords:
    """A `BuildCache` in `directory` for builds into `layout`. Safe to use from several threads and processes."""

    def __init__(self, directory: Path, layout: Layout) -> None:
        self._records = directory / RECORDS
        self._blobs = directory / BLOBS
        self._layout = layout
        remove_what_was_begun(directory)

    def recall(self, key: str) -> bytes | None:
        """The record, if it is there and whole. Using it makes it the youngest."""
        path = self._records / key
        try:
            raw = path.read_bytes()
        except OSError:
            return None
        _touch(path)
        checksum, record = raw[:_CHECKSUM], raw[_CHECKSUM:]
        return record if hashlib.sha256(record).digest() == checksum else None

    def remember(self, key: str, record: bytes, blob: Digest) -> None:
        """Keep the record, and a link to the blob where the cache is on the same file system."""
        with suppress(OSError, StoreError):
            self._records.mkdir(parents=True, exist_ok=True)
            self._blobs.mkdir(exist_ok=True)
            self._share(blob)
            with StagedFile(self._records, mode=_RECORD_MODE) as file:
                file.write(hashlib.sha256(record).digest() + record)
                file.publish(self._records / key, durable=False)

    def restore(self, descriptor: Descriptor) -> bool:
        """The layout's own blob is believed by its size; one that comes out of the cache is verified."""
        if self._layout.has_blob(descriptor.digest, descriptor.size):
            return True
        path = self._blobs / descriptor.digest.encoded
        try:
            self._layout.put_blob(BlobSource(descriptor, lambda: _chunks(path)))
        except (OSError, OcibuildError):
            return False
        self._share(descriptor.digest)
        _touch(path)
        return True

    def _share(self, blob: Digest) -> None:
        """Make the cache's blob the layout's file, whatever it was: one that is older takes the same room again, or is damaged."""
        link = self._blobs / temporary_name(f"{os.getpid()}-{blob.encoded}")
        with suppress(OSError):  # another file system: then the cache keeps what it has
            os.link(self._layout.path / blob_path(blob), link)
            try:
                link.replace(self._blobs / blob.encoded)
            finally:
                link.unlink(missing_ok=True)  # two names of one file: rename(2) does nothing then

    @contextmanager
    def packed_blob(self, digest: Digest) -> Iterator[OpenBlob | None]:
        """The blob in the layout, else in the cache."""
        handle = _opened(self._layout.path / blob_path(digest), self._blobs / digest.encoded)
        if handle is None:
            yield None
            return
        try:
            yield OpenBlob(handle)
        finally:
            os.close(handle)


def remove_what_was_begun(directory: Path) -> None:
    """Removes what killed builds left in the making in the cache at `directory`."""
    for part in (RECORDS, BLOBS):
        remove_abandoned(directory / part, is_temporary)


class OpenBlob:
    """A `PackedBlob`: a file that is open."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def read(self, offset: int, length: int) -> bytes:
        """The bytes there, as far as the file has them."""
        try:
            return os.pread(self._handle, length, offset)
        except OSError:
            return b""


def _opened(*paths: Path) -> int | None:
    for path in paths:
        with suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return None


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _touch(path: Path) -> None:
    with suppress(OSError):  # a cache that may only be read is of use too
        os.utime(path)
