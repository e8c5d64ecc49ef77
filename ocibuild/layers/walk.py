"""A tree on disk, walked once: every path with its lstat facts. No link is followed.

All that is asked of a path is asked relative to the handle of its directory, and directories are opened relative to that of
their parent: one that is swapped for a link in mid-walk is an error, and not a way out.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from ocibuild.errors import SourceError
from ocibuild.layers.attributes import read_xattrs
from ocibuild.layers.context import Source, open_directory, opened
from ocibuild.layers.disk import LstatFacts, look, lstat_facts
from ocibuild.layers.patterns import Selection, Standing
from ocibuild.oci.tar_format import Xattrs, printable
from ocibuild.plan import Origin

# Our own working directory would otherwise become part of every image that copies `.`, and grow with each build.
_OWN_DIRECTORY = b".ocibuild"
_DEPTH_LIMIT = 200  # two open handles a level, and two frames
_PATH = attrgetter("path")
_ENCODING = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # what `os.fsencode` looks up for each name


class Found(NamedTuple):
    """One path of a tree, relative to it (`b""` is the tree itself), with its lstat facts as in `LstatFacts`; `link` is where a
    symbolic link leads."""

    path: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    names: int
    link: bytes = b""
    xattrs: Xattrs = ()


def look_at(source: Source, origin: Origin | None, *, keeps_xattrs: bool) -> Found:
    """A source that is no directory. SourceError if it cannot be read."""
    with source.opened() as handle:
        looking = _Walk(source, Selection(), origin, keeps_xattrs=keeps_xattrs)
        return looking.look(b"", handle, source.parts[-1], lstat_facts(source.facts))


def walk(source: Source, selection: Selection, origin: Origin | None, *, keeps_xattrs: bool) -> list[Found]:
    """A directory and all of its content that `selection` takes, in the order of the bytes of their paths.

    With `include`, a directory comes along only if it is asked for itself or holds something that is. SourceError if a
    directory cannot be read.
    """
    walking = _Walk(source, selection, origin, keeps_xattrs=keeps_xattrs)
    with source.opened() as handle:
        walking.found.append(walking.look_at_directory(b"", handle, lstat_facts(source.facts)))
        walking.walk(handle, b"", selection.start)
    walking.found.sort(key=_PATH)  # as trees are walked, `a/b` comes before `a-`
    return walking.found


class _Walk:
    """A walk under way."""

    def __init__(self, source: Source, selection: Selection, origin: Origin | None, *, keeps_xattrs: bool) -> None:
        self.found: list[Found] = []
        self._source, self._selection, self._origin = source, selection, origin
        self._keeps_xattrs = keeps_xattrs
        self._takes_files_unseen = selection.takes_everything and not keeps_xattrs

    def walk(self, handle: int, prefix: bytes, standing: Standing) -> None:
        """All below one directory, whose paths begin with `prefix`."""
        for name, facts in self._listing(handle, prefix):
            path = prefix + name
            mode = facts[0]
            if self._takes_files_unseen and stat.S_ISREG(mode):
                self.found.append(Found(path, *facts))  # most paths of most trees: this halves what they cost
                continue
            is_directory = stat.S_ISDIR(mode)
            now = self._selection.standing(path, standing, is_directory=is_directory)
            if is_directory:
                if not now.excluded and (path != _OWN_DIRECTORY or self._source.parts):
                    self._descend(handle, name, path, facts, now)
            elif now.is_taken:
                self.found.append(self.look(path, handle, name, facts))

    def _descend(self, handle: int, name: bytes, path: bytes, facts: LstatFacts, standing: Standing) -> None:
        before = len(self.found)
        child = self._open(handle, name, path)
        try:
            self.found.append(self.look_at_directory(path, child, facts))
            self.walk(child, path + b"/", standing)
        finally:
            os.close(child)
        if len(self.found) == before + 1 and not standing.included:
            del self.found[before:]

    def look(self, path: bytes, handle: int, name: bytes, facts: LstatFacts) -> Found:
        """What is to be known of `name`, no directory, in the directory `handle`."""
        kind = stat.S_IFMT(facts[0])
        try:
            if kind == stat.S_IFLNK:
                return Found(path, *facts, link=os.readlink(name, dir_fd=handle))
            if kind == stat.S_IFREG and self._keeps_xattrs:
                with opened(name, handle) as file:
                    return Found(path, *facts, xattrs=read_xattrs(file, self._shown(path)))
        except OSError as error:
            raise self._unreadable(path, error) from error
        return Found(path, *facts)

    def look_at_directory(self, path: bytes, handle: int, facts: LstatFacts) -> Found:
        """The same of the open directory `handle`."""
        return Found(path, *facts, xattrs=read_xattrs(handle, self._shown(path)) if self._keeps_xattrs else ())

    def _listing(self, handle: int, prefix: bytes) -> Iterable[tuple[bytes, LstatFacts]]:
        try:
            # `os.scandir` would be slower by a tenth: of what it gives beside names, nothing is of use here.
            names = tuple(sorted([name.encode(*_ENCODING) for name in os.listdir(handle)]))
            return zip(names, look(handle, names), strict=True)
        except OSError as error:
            raise self._unreadable(prefix, error) from error

    def _open(self, handle: int, name: bytes, path: bytes) -> int:
        if path.count(b"/") >= _DEPTH_LIMIT:
            raise SourceError(
                f"{self._shown(path)} is more than {_DEPTH_LIMIT} directories deep",
                where=self._where,
                hint="`exclude` it",
            )
        try:
            return open_directory(name, handle)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _unreadable(self, path: bytes, error: OSError) -> SourceError:
        return SourceError(
            f"{self._shown(path)} cannot be read: {error.strerror}",
            where=self._where,
            hint="`exclude` it, or let this user read it; if it was removed or replaced in mid-build, build again",
        )

    @property
    def _where(self) -> str | None:
        return str(self._origin) if self._origin else None

    def _shown(self, path: bytes) -> str:
        return printable(os.path.join(self._source.path, path).rstrip(b"/"))
