"""Whose a file or directory in the making is: its maker holds a lock on it, which ends with the maker's process.

One whose lock is free was left by a run that was killed, and the next run removes it at once: on a disk that is full, that
may be the space it needs. On a file system without locks such files stay.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR

LOCK = (
    "lock"  # the file in a directory that its maker holds: file systems that several machines share lock no directories
)
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def claim(handle: int) -> bool:
    """Take the lock on a new file, open for writing, until it is closed. False where another run took it for left behind."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here: then nobody else gets this one either
        return True
    return os.fstat(handle).st_nlink > 0


def remove_abandoned(directory: Path, is_temporary: Callable[[str], bool]) -> None:
    """Removes files and directories that `is_temporary` says yes to by their names, and nobody holds. What cannot be
    removed stays."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if is_temporary(entry.name):
                with suppress(OSError):
                    _remove_unless_held(entry.path)


def _remove_unless_held(path: str) -> None:
    if not S_ISDIR(os.lstat(path).st_mode):
        _with_lock(path, lambda: os.unlink(path))
        return
    lock = os.path.join(path, LOCK)
    try:
        _with_lock(lock, lambda: shutil.rmtree(path))
    except FileNotFoundError:
        _remove_without_lock(path, lock)


def _remove_without_lock(path: str, lock: str) -> None:
    try:
        os.rmdir(path)  # its maker was killed, or has not come as far as the lock: then it makes another one
    except OSError:
        if not os.path.lexists(lock):  # the lock is the first thing in there: a removal was killed half-way
            shutil.rmtree(path)


def _with_lock(file: str, remove: Callable[[], None]) -> None:
    handle = os.open(file, _FLAGS)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # all that a file that is open for reading can get on NFS
        remove()
    finally:
        os.close(handle)
