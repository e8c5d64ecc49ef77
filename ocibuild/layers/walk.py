"""A tree on disk, walked once: every path with its lstat facts. No link is followed.

It is walked level by level, since the directories of a level can be listed all at once, by several threads. All that is asked is
asked below the handle of the tree, and of a directory only if it is the very one that was found: what was swapped for a link in
mid-walk is an error, and not a way out.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from operator import attrgetter

from ocibuild.errors import SourceError
from ocibuild.layers.attributes import read_xattrs
from ocibuild.layers.context import Source
from ocibuild.layers.disk import look, opened_as_found
from ocibuild.layers.found import Found, found_at
from ocibuild.layers.patterns import Selection, Standing
from ocibuild.oci.tar_format import printable
from ocibuild.plan import Origin

# Our own working directory would otherwise become part of every image that copies `.`, and grow with each build.
_OWN_DIRECTORY = b".ocibuild"
_DEPTH_LIMIT = 200
_AT_ONCE = 512  # directories that are listed before what is in them is looked at
_PATH = attrgetter("path")


def look_at(source: Source, origin: Origin | None, *, keeps_xattrs: bool) -> Found:
    """A source that is no directory. SourceError if it cannot be read."""
    found = found_at(source.path, source.facts)
    with source.opened() as handle:
        return _with_xattrs(found, handle, len(source.path) - len(source.parts[-1]), origin) if keeps_xattrs else found


def walk(source: Source, selection: Selection, origin: Origin | None, *, keeps_xattrs: bool) -> list[Found]:
    """A directory and all of its content that `selection` takes, in the order of the bytes of their paths.

    With `include`, a directory comes along only if it is asked for itself or holds something that is. SourceError if a
    directory cannot be read.
    """
    with source.opened() as handle:
        walking = _Walk(source, selection, origin, keeps_xattrs=keeps_xattrs)
        top = _Directory(walking.complete(handle, found_at(source.path, source.facts)), selection.start)
        walking.walk(handle, top)
    found = [top.found]
    top.add_content_to(found)
    found.sort(key=_PATH)  # as directories are listed, `a/b` comes before `a-`
    return found


class _Directory:
    """A directory of the tree, and what is taken of its content."""

    def __init__(self, found: Found, standing: Standing) -> None:
        self.found, self.standing = found, standing
        self.content: list[Found | _Directory] = []

    def add_content_to(self, taken: list[Found]) -> None:
        """All that is taken of what is below it, in the order of the names; directories only if they are asked for themselves or
        hold something that is taken."""
        for each in self.content:
            if isinstance(each, Found):
                taken.append(each)
                continue
            before = len(taken)
            taken.append(each.found)
            each.add_content_to(taken)
            if len(taken) == before + 1 and not each.standing.included:
                del taken[before:]


class _Walk:
    """A walk under way."""

    def __init__(self, source: Source, selection: Selection, origin: Origin | None, *, keeps_xattrs: bool) -> None:
        self._selection, self._origin = selection, origin
        self._start = len(source.inside)  # of paths relative to the tree
        self._own_directory = None if source.parts else source.inside + _OWN_DIRECTORY
        self._keeps_xattrs = keeps_xattrs
        self._takes_files_unseen = selection.takes_everything and not keeps_xattrs

    def walk(self, handle: int, top: _Directory) -> None:
        """All below `top`, which is the open directory `handle`."""
        level = [top]
        while level:
            self._check_depth(level[0].found)
            for directory, listing in self._listings(handle, level):
                directory.content = self._taken(handle, directory, listing)
            level = [each for directory in level for each in directory.content if isinstance(each, _Directory)]

    def _listings(self, handle: int, level: list[_Directory]) -> Iterator[tuple[_Directory, list[Found]]]:
        for first in range(0, len(level), _AT_ONCE):
            some = level[first : first + _AT_ONCE]
            listings = look(handle, self._start, tuple(directory.found for directory in some))
            for directory in some:
                try:
                    listing = next(listings)
                except OSError as error:
                    raise _unreadable(directory.found, error, self._origin) from error
                yield directory, listing

    def _taken(self, handle: int, directory: _Directory, listing: Iterable[Found]) -> list[Found | _Directory]:
        taken: list[Found | _Directory] = []
        for found in listing:
            if self._takes_files_unseen and stat.S_ISREG(found.mode):  # most paths of most trees
                taken.append(found)
                continue
            is_directory = stat.S_ISDIR(found.mode)
            path = found.path[self._start :]
            standing = self._selection.standing(path, directory.standing, is_directory=is_directory)
            if is_directory:
                if not standing.excluded and found.path != self._own_directory:
                    taken.append(_Directory(self.complete(handle, found), standing))
            elif standing.is_taken:
                taken.append(self.complete(handle, found))
        return taken

    def complete(self, handle: int, found: Found) -> Found:
        """What was found, with its extended attributes if they are wanted."""
        return _with_xattrs(found, handle, self._start, self._origin) if self._keeps_xattrs else found

    def _check_depth(self, found: Found) -> None:
        if found.path.count(b"/", self._start) >= _DEPTH_LIMIT:
            raise SourceError(
                f"{printable(found.path)} is more than {_DEPTH_LIMIT} directories deep",
                where=_where(self._origin),
                hint="`exclude` it",
            )


def _with_xattrs(found: Found, root: int, start: int, origin: Origin | None) -> Found:
    """A file or directory with its extended attributes; nothing else can have those that are kept."""
    if not (stat.S_ISREG(found.mode) or stat.S_ISDIR(found.mode)):
        return found
    try:
        with opened_as_found(root, start, found) as handle:
            return found._replace(xattrs=read_xattrs(handle, printable(found.path)))
    except OSError as error:
        raise _unreadable(found, error, origin) from error


def _unreadable(found: Found, error: OSError, origin: Origin | None) -> SourceError:
    return SourceError(
        f"{printable(found.path)} cannot be read: {error.strerror}",
        where=_where(origin),
        hint="`exclude` it, or let this user read it; if it was removed or replaced in mid-build, build again",
    )


def _where(origin: Origin | None) -> str | None:
    return str(origin) if origin else None
