"""A tree on disk, walked once: every path with its lstat facts. No link is followed.

All that is asked of a path is asked relative to the handle of its directory, and directories are opened relative to that of
their parent: one that is swapped for a link in mid-walk is an error, and not a way out.
"""

from __future__ import annotations

import os
import stat
from operator import attrgetter

from ocibuild.errors import SourceError
from ocibuild.layers.attributes import read_xattrs
from ocibuild.layers.context import Source, open_directory, opened
from ocibuild.layers.disk import look
from ocibuild.layers.found import Found, found_at
from ocibuild.layers.patterns import Selection, Standing
from ocibuild.oci.tar_format import printable
from ocibuild.plan import Origin

# Our own working directory would otherwise become part of every image that copies `.`, and grow with each build.
_OWN_DIRECTORY = b".ocibuild"
_DEPTH_LIMIT = 200  # two open handles a level, and two frames
_PATH = attrgetter("path")


def look_at(source: Source, origin: Origin | None, *, keeps_xattrs: bool) -> Found:
    """A source that is no directory. SourceError if it cannot be read."""
    with source.opened() as handle:
        looking = _Walk(source, Selection(), origin, keeps_xattrs=keeps_xattrs)
        return looking.look(found_at(source.path, source.facts), handle, source.parts[-1])


def walk(source: Source, selection: Selection, origin: Origin | None, *, keeps_xattrs: bool) -> list[Found]:
    """A directory and all of its content that `selection` takes, in the order of the bytes of their paths.

    With `include`, a directory comes along only if it is asked for itself or holds something that is. SourceError if a
    directory cannot be read.
    """
    walking = _Walk(source, selection, origin, keeps_xattrs=keeps_xattrs)
    with source.opened() as handle:
        walking.found.append(walking.look_at_directory(found_at(source.path, source.facts), handle))
        walking.walk(handle, source.inside, selection.start)
    walking.found.sort(key=_PATH)  # as trees are walked, `a/b` comes before `a-`
    return walking.found


class _Walk:
    """A walk under way."""

    def __init__(self, source: Source, selection: Selection, origin: Origin | None, *, keeps_xattrs: bool) -> None:
        self.found: list[Found] = []
        self._selection, self._origin = selection, origin
        self._start = len(source.inside)  # of paths relative to the tree
        self._own_directory = None if source.parts else source.inside + _OWN_DIRECTORY
        self._keeps_xattrs = keeps_xattrs
        self._takes_files_unseen = selection.takes_everything and not keeps_xattrs

    def walk(self, handle: int, prefix: bytes, standing: Standing) -> None:
        """All below one directory, whose paths begin with `prefix`."""
        for found in self._listing(handle, prefix):
            if self._takes_files_unseen and stat.S_ISREG(found.mode):  # most paths of most trees
                self.found.append(found)
                continue
            name, is_directory = found.path[len(prefix) :], stat.S_ISDIR(found.mode)
            now = self._selection.standing(found.path[self._start :], standing, is_directory=is_directory)
            if is_directory:
                if not now.excluded and found.path != self._own_directory:
                    self._descend(handle, name, found, now)
            elif now.is_taken:
                self.found.append(self.look(found, handle, name))

    def _descend(self, handle: int, name: bytes, found: Found, standing: Standing) -> None:
        before = len(self.found)
        child = self._open(handle, name, found.path)
        try:
            self.found.append(self.look_at_directory(found, child))
            self.walk(child, found.path + b"/", standing)
        finally:
            os.close(child)
        if len(self.found) == before + 1 and not standing.included:
            del self.found[before:]

    def look(self, found: Found, handle: int, name: bytes) -> Found:
        """All that is to be known of what was found as `name`, no directory, in the directory `handle`."""
        kind = stat.S_IFMT(found.mode)
        try:
            if kind == stat.S_IFLNK:
                return found._replace(link=os.readlink(name, dir_fd=handle))
            if kind == stat.S_IFREG and self._keeps_xattrs:
                with opened(name, handle) as file:
                    return found._replace(xattrs=read_xattrs(file, printable(found.path)))
        except OSError as error:
            raise self._unreadable(found.path, error) from error
        return found

    def look_at_directory(self, found: Found, handle: int) -> Found:
        """The same of the open directory `handle`."""
        return found._replace(xattrs=read_xattrs(handle, printable(found.path))) if self._keeps_xattrs else found

    def _listing(self, handle: int, prefix: bytes) -> list[Found]:
        try:
            return look(handle, prefix)
        except OSError as error:
            raise self._unreadable(prefix[:-1] or prefix, error) from error

    def _open(self, handle: int, name: bytes, path: bytes) -> int:
        if path.count(b"/", self._start) >= _DEPTH_LIMIT:
            raise SourceError(
                f"{printable(path)} is more than {_DEPTH_LIMIT} directories deep",
                where=self._where,
                hint="`exclude` it",
            )
        try:
            return open_directory(name, handle)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _unreadable(self, path: bytes, error: OSError) -> SourceError:
        return SourceError(
            f"{printable(path)} cannot be read: {error.strerror}",
            where=self._where,
            hint="`exclude` it, or let this user read it; if it was removed or replaced in mid-build, build again",
        )

    @property
    def _where(self) -> str | None:
        return str(self._origin) if self._origin else None
