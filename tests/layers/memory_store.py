"""A `BlobStore` in memory that remembers what was begun and not finished."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ocibuild.oci.digest import Digest


class MemoryStore:
    """Blobs by digest. A writer that fails on its `fail_at`th write stands for a full disk.

    One that does not keep is for blobs that never end: they would end the machine.
    """

    def __init__(self, fail_at: int | None = None, *, keeps: bool = True) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.open_writers = 0
        self._fail_at, self._keeps = fail_at, keeps
        self._lock = threading.Lock()

    @contextmanager
    def writer(self) -> Iterator[MemoryWriter]:
        with self._lock:
            self.open_writers += 1
        try:
            yield MemoryWriter(self, self._fail_at, keeps=self._keeps)
        finally:
            with self._lock:
                self.open_writers -= 1


class MemoryWriter:
    """A blob in the making."""

    def __init__(self, store: MemoryStore, fail_at: int | None, *, keeps: bool) -> None:
        self._store, self._fail_at, self._keeps = store, fail_at, keeps
        self._parts: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if len(self._parts) + 1 == self._fail_at:
            raise OSError(28, "No space left on device")
        if self._keeps:
            self._parts.append(bytes(data))

    def commit(self, digest: Digest) -> None:
        if not self._keeps:
            return
        raw = b"".join(self._parts)
        assert digest.encoded == hashlib.sha256(raw).hexdigest()
        self._store.blobs[digest] = raw
