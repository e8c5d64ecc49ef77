"""One writer at a time: a lock that the operating system drops with the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ocibuild.errors import StoreError
from ocibuild.events import Emit, Noted
from ocibuild.store.writing import disk_errors

if TYPE_CHECKING:
    from filelock import BaseFileLock

_PATIENCE = 1.0
_LIMIT = 600.0


@contextmanager
def exclusive(lock_file: Path, *, emit: Emit, patience: float = _PATIENCE, limit: float = _LIMIT) -> Iterator[None]:
    """Holds `lock_file` during the block, against other processes and threads.

    After `patience` seconds the user is told what is waited for; after `limit` more, StoreError. The empty file stays:
    removing it would let two processes hold two files of one name.
    """
    from filelock import FileLock

    lock = FileLock(lock_file, thread_local=False)
    with disk_errors("lock", lock_file):
        if not is_acquired(lock, patience):
            emit(Noted(f"waiting for another process that holds {lock_file}"))
            if not is_acquired(lock, limit):
                raise StoreError(
                    f"another process has held the lock for {patience + limit:.0f} seconds",
                    where=str(lock_file),
                    hint="end that process: its lock ends with it; removing the file does not help",
                )
    try:
        yield
    finally:
        lock.release()


def is_acquired(lock: BaseFileLock, timeout: float) -> bool:
    """Whether the lock could be had within `timeout` seconds. Nothing is raised if not: filelock's Timeout is an OSError,
    and would pass for a fault of the disk."""
    from filelock import Timeout

    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        return False
    return True
