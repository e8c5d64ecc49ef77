"""Looking after the user's cache: how much it holds, and making it smaller while others build."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ocibuild.store.build_cache import BLOBS, RECORDS, remove_what_was_begun


@dataclass(frozen=True, slots=True)
class Usage:
    """What a cache directory holds. `size` is in bytes; of blobs, a layout may hold the same bytes."""

    directory: Path
    records: int
    blobs: int
    size: int


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int
    used: float


def usage(directory: Path) -> Usage:
    """What is in the cache; all zeros where there is none."""
    records, blobs = list(_files(directory / RECORDS)), list(_files(directory / BLOBS))
    return Usage(directory, len(records), len(blobs), sum(file.size for file in records + blobs))


def prune(directory: Path, max_size: int) -> tuple[Usage, Usage]:
    """Remove what was used least recently, until at most `max_size` bytes are left; the usage before and after.

    A build that needs what is removed under its hands does the work again: every part of the cache may be missing.
    """
    before = usage(directory)
    remove_what_was_begun(directory)
    files = sorted((*_files(directory / RECORDS), *_files(directory / BLOBS)), key=lambda file: file.used)
    left = sum(file.size for file in files)
    for file in files:
        if left <= max_size:
            break
        with suppress(OSError):
            file.path.unlink()
            left -= file.size
    return before, usage(directory)


def _files(directory: Path) -> Iterator[_File]:
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):  # a build or another `prune` has just renamed or removed it
                facts = entry.stat(follow_symlinks=False)
                yield _File(Path(entry.path), facts.st_size, facts.st_mtime)
