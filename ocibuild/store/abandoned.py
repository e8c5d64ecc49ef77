"""Whose a file or directory in the making is: its maker holds the lock on it, and the lock ends with the maker's process.

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

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def claim(handle: int) -> bool:
    """Take the lock on a new file or directory until it is closed. False where another run took it for left behind."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here: then nobody else gets this one either
        return True
    return os.fstat(handle).st_nlink > 0


def remove_abandoned(directory: Path, is_temporary: Callable[[str], bool]) -> None:
    """Removes what `is_temporary` says yes to by its name, and nobody holds. What cannot be removed stays."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if is_temporary(entry.name):
                _remove_unless_held(entry.path)


def _remove_unless_held(path: str) -> None:
    with suppress(OSError):
        handle = os.open(path, _FLAGS)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if S_ISDIR(os.fstat(handle).st_mode):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        finally:
            os.close(handle)
