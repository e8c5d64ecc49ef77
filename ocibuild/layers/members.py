"""A plan and what the disk says of it -> the members of the layer, in their order.

Most layers are one copied tree. Nothing of what `arrange` settles between items can happen there, so that its members are made
one after the other: packing begins when the walk is over, and tens of thousands of entries are never in memory at once.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from ocibuild.layers.arrange import arrange, inode, parent_entry
from ocibuild.layers.entries import Entry, total_size
from ocibuild.layers.found import IDENTITY, Found
from ocibuild.layers.sources import Copied, directory_entry, layer_entries
from ocibuild.layers.survey import Looked, Survey
from ocibuild.layers.tar import Member, member
from ocibuild.oci.tar_format import DIRECTORY, WHITEOUT_PREFIX
from ocibuild.plan import Copy, FilesLayer

_MODE, _PATH = attrgetter("mode"), attrgetter("path")
_KINDS = {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}


class Members(NamedTuple):
    """The members of a layer, as often as they are wanted, and how many bytes of content they have."""

    each: Callable[[], Iterator[Member]]
    size: int


def layer_members(layer: FilesLayer, surveys: Sequence[Survey]) -> Members:
    """The members of `layer`. SourceError, here or from them, for what cannot become part of an image."""
    known = {entry.path: entry for entry in (directory_entry(item, layer) for item in layer.known_directories)}
    lone = _lone_tree(layer, surveys)
    if lone is None:
        arranged = arrange(layer_entries(layer, surveys), known, layer.created)
        return Members(lambda: map(member, arranged), total_size(arranged))
    return Members(lambda: _tree_members(layer, *lone, known), _content_size(lone[1].found))


def _lone_tree(layer: FilesLayer, surveys: Sequence[Survey]) -> tuple[Copy, Looked] | None:
    """The tree that is all that `layer` is made of, if it has all directories on the way to its files; `walk` has its order.

    None for one that no image can hold: it is refused when everything is arranged, and not after half of it was packed.
    """
    match layer.items, surveys:
        case (Copy(include=()) as item,), (Looked() as tree,) if tree.source.is_directory and _can_be_copied(
            tree.found
        ):
            return item, tree
    return None


def _can_be_copied(found: Sequence[Found]) -> bool:
    kinds = {stat.S_IFMT(mode) for mode in set(map(_MODE, found))}
    return kinds <= _KINDS and WHITEOUT_PREFIX not in b"\0".join(map(_PATH, found))


def _tree_members(layer: FilesLayer, item: Copy, tree: Looked, known: Mapping[bytes, Entry]) -> Iterator[Member]:
    copied = Copied(item, tree, layer)
    above = copied.path.split(b"/")[:-1]
    for depth in range(1, len(above) + 1):
        yield member(parent_entry(b"/".join(above[:depth]), known, layer.created))
    first_names: dict[object, bytes] = {}

    def settled(entry: Entry) -> Entry:
        if entry.kind == DIRECTORY and entry.path in known:
            return known[entry.path]._replace(rank=entry.rank)
        if entry.links is not None and (first := first_names.setdefault(inode(entry), entry.path)) != entry.path:
            return entry.as_hard_link(first)
        return entry

    for path, found in copied.placed():
        yield copied.plain_member(path, found) or member(settled(copied.entry(path, found)))


def _content_size(found: Iterable[Found]) -> int:
    """The bytes of all files; those of a file with several names count once, as they are written once."""
    size, linked = 0, dict[bytes, int]()
    for _, facts, mode, file_size, names, _, _, _ in found:
        if stat.S_ISREG(mode):
            if names == 1:
                size += file_size
            else:
                linked[facts[IDENTITY]] = file_size
    return size + sum(linked.values())
