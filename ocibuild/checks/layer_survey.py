"""The members of one layer, as they stream by: what is odd about them. Memory is in proportion to their names, and bounded.

Only the layer itself is known. What its paths lead to in the layers below is not, so nothing is said about that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from ocibuild.oci.layer_limits import NAME_LIMIT, PATH_LIMIT
from ocibuild.oci.tar_format import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    HARDLINK,
    OPAQUE_WHITEOUT,
    SYMLINK,
    WHITEOUT_PREFIX,
)
from ocibuild.oci.tar_reader import Member


class Oddity(Enum):
    """Something about members that a layer should not have. Each has a rule of its own."""

    INVALID = auto()
    ABSOLUTE = auto()
    TWICE = auto()
    HIDDEN_TOO = auto()
    BAD_WHITEOUT = auto()
    LINK_AHEAD = auto()
    LINK_TO_NOTHING = auto()
    LEADS_OUT = auto()
    THROUGH_LINK = auto()
    BELOW_FILE = auto()
    DEVICE = auto()


@dataclass(slots=True)
class Sightings:
    """How often an oddity was seen, and where first: the path, and what else there is to name."""

    first: tuple[bytes, bytes]
    count: int = 0


class LayerSurvey:
    """Takes the members of a layer one by one, in order; `finish` gives what was odd."""

    def __init__(self) -> None:
        self.members = 0
        self.name_bytes = 0
        self._odd: dict[Oddity, Sightings] = {}
        self._kinds: dict[bytes, bytes] = {}
        self._symlinks: dict[bytes, bytes] = {}
        self._whiteouts: set[bytes] = set()
        self._implied: dict[bytes, bytes] = {}  # directories that are no members, with a path below each
        self._implied_below: Counter[bytes] = Counter()  # their number, for each directory
        self._links: dict[bytes, list[bytes]] = {}  # targets that have not come yet, with the links to them

    def add(self, member: Member) -> None:
        """The next member."""
        self.members += 1
        self.name_bytes += len(member.path) + len(member.link)
        path = _normal(member.path)
        if path and member.path.startswith(b"/"):
            self._saw(Oddity.ABSOLUTE, member.path)
        if reason := _invalid(path, member.kind):
            self._saw(Oddity.INVALID, member.path, reason)
            return
        parent, _, name = path.rpartition(b"/")
        self._look_up(path)
        if name.startswith(WHITEOUT_PREFIX):
            self._add_whiteout(path, parent, name)
        else:
            self._add_path(member, path)

    def finish(self) -> Mapping[Oddity, Sightings]:
        """What was odd, once all members were seen."""
        for target, links in self._links.items():
            is_file = self._kinds.get(target, DIRECTORY) != DIRECTORY
            oddity = Oddity.LINK_AHEAD if is_file else Oddity.LINK_TO_NOTHING
            for link in links:
                self._saw(oddity, link, target)
        self._links.clear()
        return self._odd

    def _add_path(self, member: Member, path: bytes) -> None:
        if path in self._kinds:
            self._saw(Oddity.TWICE, path)
        self._kinds[path] = member.kind
        if path in self._implied:
            below = self._implied.pop(path)
            self._implied_below.subtract(_above(path))
            if member.kind != DIRECTORY:
                self._saw(Oddity.BELOW_FILE, below, path)
        if member.kind == HARDLINK:
            self._add_link(path, member.link)
        elif member.kind == SYMLINK:
            self._symlinks[path] = member.link
            if _leads_out(path, member.link):
                self._saw(Oddity.LEADS_OUT, path, member.link)
        elif member.kind in (CHARACTER_DEVICE, BLOCK_DEVICE):
            self._saw(Oddity.DEVICE, path)

    def _add_whiteout(self, path: bytes, parent: bytes, name: bytes) -> None:
        if path in self._whiteouts:
            self._saw(Oddity.TWICE, path)
        self._whiteouts.add(path)
        hidden = _joined(parent, name.removeprefix(WHITEOUT_PREFIX))
        if name in (b".wh.", b".wh..", b".wh..."):
            self._saw(Oddity.BAD_WHITEOUT, path)
        elif name == OPAQUE_WHITEOUT:
            # podman 4.3 leaves what the layer itself has put there, but for directories that are no members.
            if self._implied_below[parent]:
                self._saw(Oddity.HIDDEN_TOO, path, b"a directory that is no entry of the layer")
        # Other names with the double prefix are notes of AUFS, which runtimes skip.
        elif not name.startswith(WHITEOUT_PREFIX * 2) and (hidden in self._kinds or hidden in self._implied):
            self._saw(Oddity.HIDDEN_TOO, path, b"'" + hidden + b"'")

    def _add_link(self, path: bytes, link: bytes) -> None:
        target = _normal(link)
        if b".." in target.split(b"/"):
            self._saw(Oddity.INVALID, path, b"is a hard link to a path with `..`")
        elif target == path or self._kinds.get(self._resolved(target), DIRECTORY) == DIRECTORY:
            self._links.setdefault(target, []).append(path)

    def _look_up(self, path: bytes) -> None:
        """Look at what the path leads through, as far as it is of this layer. Only the nearest matters: it led there itself."""
        for parent in _above(path):
            kind = self._kinds.get(parent)
            if kind == SYMLINK and self._is_unsafe(parent):
                self._saw(Oddity.THROUGH_LINK, path, parent)
            elif kind not in (None, DIRECTORY, SYMLINK):
                self._saw(Oddity.BELOW_FILE, path, parent)
            if kind is not None or parent in self._implied or not parent:
                return
            self._implied[parent] = path
            self._implied_below.update(_above(parent))
            self.name_bytes += 2 * len(parent)

    def _is_unsafe(self, symlink: bytes) -> bool:
        """Whether a link leads out of the image if nobody keeps it in, or to no directory that this layer has."""
        target = self._symlinks[symlink]
        there = self._resolved(_joined(symlink, b"x")).rpartition(b"/")[0]
        is_there = not there or self._kinds.get(there) == DIRECTORY or there in self._implied
        return target.startswith(b"/") or _leads_out(symlink, target) or not is_there

    def _resolved(self, path: bytes) -> bytes:
        """Where a path leads, if a directory on its way is a symbolic link of this layer to another directory in the image."""
        for _ in range(len(self._symlinks) and 8):
            parts = path.split(b"/")
            ways = (b"/".join(parts[:count]) for count in range(1, len(parts)))
            link = next((way for way in ways if way in self._symlinks), None)
            if link is None:
                break
            target = self._symlinks[link]
            base = b"" if target.startswith(b"/") else link.rpartition(b"/")[0]
            path = _collapsed(_joined(base, target) + path[len(link) :])
        return path

    def _saw(self, oddity: Oddity, path: bytes, other: bytes = b"") -> None:
        self._odd.setdefault(oddity, Sightings((path, other))).count += 1


def _normal(path: bytes) -> bytes:
    """A path without slashes at its ends, and without what means nothing: `a`, `./a`, `/a` and `a/` are one path."""
    if path.endswith(b"/") or path.startswith((b"/", b".")) or b"//" in path or b"/." in path:
        return b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))
    return path


def _collapsed(path: bytes) -> bytes:
    """A path without `..`, as the root of an image ends them."""
    parts: list[bytes] = []
    for part in _normal(path).split(b"/"):
        if part == b"..":
            del parts[-1:]
        else:
            parts.append(part)
    return b"/".join(parts)


def _above(path: bytes) -> Iterator[bytes]:
    """The directories above a path, the nearest first; the root, which is empty, last."""
    while path:
        path = path.rpartition(b"/")[0]
        yield path


def _joined(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _invalid(path: bytes, kind: bytes) -> bytes:
    """Why an image cannot have this path; empty if it can."""
    if not path:
        return b"" if kind == DIRECTORY else b"is the root of the image, and no directory"
    if b".." in path and b".." in path.split(b"/"):
        return b"has `..` in it"
    if len(path) > PATH_LIMIT or (len(path) > NAME_LIMIT and max(map(len, path.split(b"/"))) > NAME_LIMIT):
        return b"is longer than file systems take"
    return b""


def _leads_out(path: bytes, link: bytes) -> bool:
    """Whether a relative symbolic link at `path` goes up further than to the root of the image."""
    if b".." not in link or link.startswith(b"/"):
        return False
    depth = path.count(b"/")
    for part in link.split(b"/"):
        if part not in (b"", b"."):
            depth += -1 if part == b".." else 1
        if depth < 0:
            return True
    return False
