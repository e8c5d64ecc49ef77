"""Entries in no order -> the members of a layer in theirs: one a path, parents first, links after what they link to. Pure.

image-spec layer.md: no two entries for one path. podman 4.3 refuses a hard link that precedes its target or leads to a lower
layer, and a file beside its own whiteout; consumers disagree on the attributes of parents that are missing, so all are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NoReturn

from ocibuild.errors import SourceError
from ocibuild.layers.attributes import customary_mode
from ocibuild.layers.entries import ArchiveContent, Entry, Rank, shown
from ocibuild.oci.tar_format import DIRECTORY, FILE, HARDLINK, OPAQUE_WHITEOUT, WHITEOUT_PREFIX

_PATH = attrgetter("path")


def arrange(entries: Iterable[Entry], known_directories: Mapping[bytes, Entry], created: int) -> list[Entry]:
    """The members of the layer. SourceError, naming both items, for paths that exclude each other.

    `known_directories` are those that lower layers of the same plan declare. A parent that is needed repeats them, and so does a
    directory that is only copied: it would otherwise replace what was declared.
    """
    members: dict[bytes, Entry] = {}
    # The most deliberate first: what a directory gives way to must be there before others of its rank quarrel with it.
    for entry in sorted(entries, key=lambda entry: -entry.rank):
        wanted = entry
        if entry.kind == DIRECTORY and entry.rank != Rank.DECLARED and entry.path in known_directories:
            wanted = known_directories[entry.path]._replace(rank=entry.rank)
        present = members.get(entry.path)
        members[entry.path] = wanted if present is None else _merge(present, wanted)
    _add_parents(members, known_directories, created)
    _check_whiteouts(members)
    return _in_order(_link_names(members))


def _merge(one: Entry, other: Entry) -> Entry:
    """The entry that two items with the same path come down to: only directories may meet. The first is of no lower rank."""
    if one.kind != DIRECTORY or other.kind != DIRECTORY or one.rank == other.rank == Rank.DECLARED:
        _refuse(
            f"{shown(one.path)} is put into this layer twice",
            one,
            other,
            "one path can hold one thing; drop one of the two",
        )
    if one.rank != other.rank:
        return one
    if one._replace(origin=None, mtime=other.mtime) != other._replace(origin=None):
        _refuse(
            f"the directory {shown(one.path)} comes twice, with different attributes",
            one,
            other,
            f"say which are meant: {{directory: true, to: {shown(one.path)}, mode: ...}}",
        )
    return max(one, other, key=lambda entry: entry.mtime)


def _add_parents(members: dict[bytes, Entry], known: Mapping[bytes, Entry], created: int) -> None:
    for entry in list(members.values()):
        child, path = entry, entry.path.rpartition(b"/")[0]
        while path:
            parent = members.get(path)
            if parent is not None:
                if parent.kind != DIRECTORY:
                    _refuse(
                        f"{shown(child.path)} cannot be below {shown(path)}, which is no directory in this layer",
                        parent,
                        entry,
                        "if it is a link to a directory, put the file where the link leads",
                    )
                break
            child = members[path] = parent_entry(path, known, created)
            path = path.rpartition(b"/")[0]


def parent_entry(path: bytes, known: Mapping[bytes, Entry], created: int) -> Entry:
    """The directory at `path`, of which this layer says nothing but that something is in it."""
    return known.get(path) or Entry(path, DIRECTORY, customary_mode(path), 0, 0, created, rank=Rank.IMPLIED)


def _check_whiteouts(members: Mapping[bytes, Entry]) -> None:
    for entry in members.values():
        if entry.is_whiteout:
            parent, slash, name = entry.path.rpartition(b"/")
            removed = members.get(parent + slash + name.removeprefix(WHITEOUT_PREFIX))
            if removed is not None and name != OPAQUE_WHITEOUT:
                _refuse(
                    f"{shown(removed.path)} is removed and put back by the same layer",
                    entry,
                    removed,
                    "a file that is put in place needs no `remove`; for a directory use `replace`, or remove it in a layer below",
                )


def _link_names(members: dict[bytes, Entry]) -> list[Entry]:
    """The members with every file of several names written once: its other names become hard links.

    Which name carries the content is decided by order alone, so a declared link and its target may change roles.
    """
    groups: dict[object, list[Entry]] = {}
    targets = {_target(entry, members).path for entry in members.values() if entry.kind == HARDLINK}
    single: list[Entry] = []
    for entry in members.values():
        if entry.kind == HARDLINK:
            target = _target(entry, members)
            same = target._replace(path=entry.path, origin=entry.origin)
            groups.setdefault(inode(target), []).append(same)
        elif entry.links is not None or entry.path in targets:
            groups.setdefault(inode(entry), []).append(entry)
        else:
            single.append(entry)
    for names in groups.values():
        first, *others = sorted(names, key=_position)
        single.append(first)
        single += (entry.as_hard_link(first.path) for entry in others)
    return single


def inode(entry: Entry) -> object:
    """What names of one file have in common. Copies with different attributes are different files, whatever the disk says."""
    if entry.links is None:
        return entry.path
    return entry.links, entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs


def _target(entry: Entry, members: Mapping[bytes, Entry]) -> Entry:
    """The file that a hard link names in the end."""
    seen, target = entry, members.get(entry.link)
    for _ in range(len(members)):
        if target is None or target.kind != HARDLINK:
            break
        seen, target = target, members.get(target.link)
    if target is None or target.kind != FILE or target.is_whiteout:
        raise SourceError(
            f"the hard link {shown(entry.path)} leads to {shown(seen.link)}, which is no file of this layer",
            where=str(entry.origin) if entry.origin else None,
            hint="a hard link cannot reach into a lower layer: use `symlink`, or `copy` the file",
        )
    return target


def _position(entry: Entry) -> tuple[object, ...]:
    """What orders a layer: all that needs no archive by path, then the files of each archive as they come out of it.

    Whiteouts come first in their directory (layer.md: they SHOULD precede their siblings).
    """
    if isinstance(entry.content, ArchiveContent):
        return (1, entry.content.item, entry.content.ordinal, entry.path)
    if not entry.is_whiteout:
        return (0, entry.path)
    parent, slash, name = entry.path.rpartition(b"/")
    return (0, parent + slash + b"\0" + name)


def _in_order(entries: list[Entry]) -> list[Entry]:
    """Entries by position; a hard link to a file out of an archive goes right behind all files, where its target is past."""
    if not any(WHITEOUT_PREFIX in entry.path or isinstance(entry.content, ArchiveContent) for entry in entries):
        return sorted(entries, key=_PATH)  # the same, in a third of the time
    late = {entry.path for entry in entries if isinstance(entry.content, ArchiveContent)}
    links = [entry for entry in entries if entry.kind == HARDLINK and entry.link in late]
    if not links:
        return sorted(entries, key=_position)
    moved = {entry.path for entry in links}
    rest = [entry for entry in entries if entry.path not in moved]
    return sorted(rest, key=_position) + sorted(links, key=_position)


def _refuse(what: str, one: Entry, other: Entry, hint: str) -> NoReturn:
    places = sorted({str(entry.origin) for entry in (one, other) if entry.origin})
    raise SourceError(what, where=" and ".join(places) or None, hint=hint)
