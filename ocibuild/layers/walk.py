"""A tree on disk, walked once: every path with its lstat facts. No link is followed.

Directories are opened relative to the handle of their parent, so one that is swapped for a link in mid-walk is an error and
not a way out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from ocibuild.errors import SourceError
from ocibuild.layers.context import Source, open_directory
from ocibuild.layers.entries import printable
from ocibuild.layers.patterns import Selection

# Our own working directory would otherwise become part of every image that copies `.`, and grow with each build.
_OWN_DIRECTORY = ".ocibuild"
_DEPTH_LIMIT = 200  # one open handle a level, and as many frames


class Found(NamedTuple):
    """One path of a tree: relative to the tree, as text (undecodable bytes as surrogates), with its facts."""

    path: str
    facts: os.stat_result


def walk(source: Source, selection: Selection) -> list[Found]:
    """All that `selection` takes of a directory, each directory before its content; the directory itself is not among it.

    With `include`, a directory comes along only if it is asked for itself or holds something that is. SourceError if a
    directory cannot be read.
    """
    found: list[Found] = []
    with source.opened() as handle:
        _walk(handle, "", selection, found, at_root=not source.parts)
    return found


def _walk(handle: int, prefix: str, selection: Selection, found: list[Found], *, at_root: bool = False) -> None:
    for name, facts in _listing(handle, prefix):
        path = prefix + name
        if at_root and name == _OWN_DIRECTORY:
            continue
        if not stat.S_ISDIR(facts.st_mode):
            if selection.takes_everything or (selection.includes(path) and not selection.excludes(path)):
                found.append(Found(path, facts))
            continue
        below = path + "/"
        if selection.excludes(below):
            continue
        before = len(found)
        found.append(Found(path, facts))
        child = _open(name, handle, path)
        try:
            _walk(child, below, selection, found)
        finally:
            os.close(child)
        if len(found) == before + 1 and not selection.includes(below):
            del found[before:]


def _listing(handle: int, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(handle) as scan:
            for item in scan:
                yield item.name, item.stat(follow_symlinks=False)
    except OSError as error:
        raise _unreadable(prefix, error) from error


def _open(name: str, handle: int, path: str) -> int:
    if path.count("/") >= _DEPTH_LIMIT:
        raise SourceError(
            f"{printable(os.fsencode(path))} is more than {_DEPTH_LIMIT} directories deep", hint="`exclude` it"
        )
    try:
        return open_directory(name, handle)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> SourceError:
    return SourceError(
        f"the directory {printable(os.fsencode(path or '.'))} cannot be read: {error.strerror}",
        hint="it was removed or replaced during the build, or this user may not read it",
    )
