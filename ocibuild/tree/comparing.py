"""What differs between the trees of two images, path by path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ocibuild.tree.entry import IMPLIED, Action, Change, Entry, Kind
from ocibuild.tree.merged import Node, Tree, joined


@dataclass(frozen=True, slots=True)
class FileChange:
    """A path at which two images differ. `before` or `after` is None where there is nothing; else `fields` says what differs."""

    path: bytes
    before: Entry | None
    after: Entry | None
    fields: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """Added, removed or changed."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


def compare(before: Tree, after: Tree, *, times: bool = False) -> tuple[FileChange, ...]:
    """Every path that differs, in the order of a walk; modification times only where `times` are asked for.

    All that is in a directory that was added or removed is named too.
    """
    judge = _Judge(times, _first_names(before), _first_names(after))
    return tuple(change for path, old, new in _pairs(before, after) if (change := judge.change(path, old, new)))


def base_matters(before: Sequence[Sequence[Change]], after: Sequence[Sequence[Change]]) -> bool:
    """Whether the layers that two images share decide how they differ, given all that lies above in each.

    They do not where layer by layer the same paths are put, removed and emptied: then these paths are known on both sides,
    and all others are as the shared layers left them, alike. Paths are taken as written: that the shared layers have symbolic links to
    directories changes where something is, but on both sides.
    """
    if [_outline(changes) for changes in before] != [_outline(changes) for changes in after]:
        return True
    return any(_links_below(layers) for layers in (before, after))


def _outline(changes: Sequence[Change]) -> set[tuple[Action, bytes, bool, bytes]]:
    return {(change.action, change.path, _is_directory(change), _way(change)) for change in changes}


def _is_directory(change: Change) -> bool:
    return change.entry is not None and change.entry.kind is Kind.DIRECTORY


def _way(change: Change) -> bytes:
    """Where a symbolic link leads: what another layer puts behind it is there."""
    return change.entry.link if change.entry else b""


def _links_below(layers: Sequence[Sequence[Change]]) -> bool:
    """Whether something is a hard link to a file that is not in these layers."""
    put: set[bytes] = set()
    for change in (change for changes in layers for change in changes):
        if change.action is Action.LINK and change.target not in put:
            return True
        put.add(change.path)
    return False


def _pairs(before: Tree, after: Tree) -> Iterator[tuple[bytes, Node | None, Node | None]]:
    pending: list[tuple[bytes, Node | None, Node | None]] = [(b"", before.root, after.root)]
    while pending:
        path, old, new = pending.pop()
        yield path, old, new
        olds, news = old.children if old else {}, new.children if new else {}
        names = sorted({**olds, **news}, reverse=True)
        pending.extend((joined(path, name), olds.get(name), news.get(name)) for name in names)


def _first_names(tree: Tree) -> dict[int, bytes]:
    """For entries with several names (hard links), by identity: the first of these."""
    counts = Counter(id(node.entry) for _, node in tree.walk() if node.entry.kind is not Kind.DIRECTORY)
    several = {key for key, count in counts.items() if count > 1}
    names: dict[int, bytes] = {}
    if several:
        for path, node in tree.walk():
            if id(node.entry) in several:
                names.setdefault(id(node.entry), path)
    return names


@dataclass(frozen=True, slots=True)
class _Judge:
    times: bool
    names_before: dict[int, bytes]
    names_after: dict[int, bytes]

    def change(self, path: bytes, old: Node | None, new: Node | None) -> FileChange | None:
        before, after = old.entry if old else None, new.entry if new else None
        if before is None or after is None:
            return FileChange(path, before, after)
        fields = tuple(self._fields(before, after))
        return FileChange(path, before, after, fields) if fields else None

    def _fields(self, before: Entry, after: Entry) -> Iterator[str]:
        if before.kind is not after.kind:
            yield "kind"
            return
        if before.mode != after.mode and before.kind is not Kind.SYMLINK:  # which has none on Linux
            yield "mode"
        if (before.uid, before.gid) != (after.uid, after.gid):
            yield "owner"
        for field in ("size", "content", "link", "device", "xattrs"):
            if getattr(before, field) != getattr(after, field):
                yield field
        if self.names_before.get(id(before)) != self.names_after.get(id(after)):
            yield "hardlink"
        if self.times and before.mtime != after.mtime and IMPLIED not in (before, after):
            yield "mtime"
