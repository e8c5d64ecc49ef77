"""The tree that the layers of an image add up to, as a runtime would show it (image-spec layer.md, "Applying Changesets")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ocibuild.errors import IntegrityError, quoted
from ocibuild.oci.layer_limits import LIMITS, PATH_LIMIT, Limits
from ocibuild.tree.entry import IMPLIED, Action, Change, Entry, Kind

_HOPS = 40  # the number of symbolic links in a path that Linux follows


class Node:
    """A path of the tree: what stands there, the number of the layer that put it (from 0), and what is in it."""

    __slots__ = ("children", "entry", "layer", "length")

    def __init__(self, entry: Entry, layer: int, length: int) -> None:
        self.entry, self.layer = entry, layer
        self.length = length  # of its path
        self.children: dict[bytes, Node] = {}


class Tree:
    """Files of an image, layer upon layer. Memory is in proportion to the entries, which are limited."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.root = Node(IMPLIED, 0, 0)
        self._entries, self._names = limits.entries, limits.names
        # Symbolic links can make the way to each of many entries very long.
        self._steps = limits.entries * 64

    def apply(self, changes: Iterable[Change], layer: int) -> None:
        """Put the next layer on top. IntegrityError for what no runtime could apply."""
        changes = tuple(changes)
        # Whiteouts concern the layers below only, wherever they stand in their own.
        for change in changes:
            if change.action is Action.REMOVE:
                self._remove(change.path)
            elif change.action is Action.EMPTY and (directory := self._directory(change.path, None)):
                directory.children.clear()
        for change in changes:
            if change.action is Action.PUT and change.entry is not None:
                self._put(change.path, change.entry, layer)
            elif change.action is Action.LINK:
                self._put(change.path, self._linked(change), layer)

    def walk(self) -> Iterator[tuple[bytes, Node]]:
        """Every path with its node, the root first as `b""`, sorted by the bytes of names."""
        pending = [(b"", self.root)]
        while pending:
            path, node = pending.pop()
            yield path, node
            pending.extend((joined(path, name), node.children[name]) for name in sorted(node.children, reverse=True))

    def _remove(self, path: bytes) -> None:
        directory, _, name = path.rpartition(b"/")
        if parent := self._directory(directory, None):
            parent.children.pop(name, None)

    def _put(self, path: bytes, entry: Entry, layer: int) -> None:
        directory, _, name = path.rpartition(b"/")
        parent = self._directory(directory, layer)
        assert parent is not None
        there = parent.children.get(name) if name else parent
        if there is not None and there.entry.kind is entry.kind is Kind.DIRECTORY:
            there.entry, there.layer = entry, layer
        elif name:
            parent.children[name] = self._new(parent, name, entry, layer)
        else:
            raise IntegrityError(f"layer {layer + 1} makes the root of the image a {entry.kind}")

    def _linked(self, change: Change) -> Entry:
        directory, _, name = change.target.rpartition(b"/")
        parent = self._directory(directory, None)
        target = parent.children.get(name) if parent else None
        if target is None or target.entry.kind is Kind.DIRECTORY:
            raise IntegrityError(f"{quoted(change.path)} is a hard link to {quoted(change.target)}, which is no file")
        return target.entry

    def _directory(self, path: bytes, layer: int | None) -> Node | None:
        """The directory at `path`; symbolic links on the way are followed, as runtimes do.

        For a layer that puts something in it, what is missing is made. Else None where there is no such directory.
        """
        trail, ahead, hops = [self.root], path.split(b"/")[::-1], 0
        while ahead:
            part = ahead.pop()
            self._steps -= 1
            if part == b"..":
                del trail[max(1, len(trail) - 1) :]
            elif part not in (b"", b"."):
                node = self._child(trail[-1], part, layer)
                if node is not None and node.entry.kind is Kind.SYMLINK:
                    hops += 1
                    ahead.extend(node.entry.link.split(b"/")[::-1])
                    del trail[1 if node.entry.link.startswith(b"/") else len(trail) :]
                elif node is not None and node.entry.kind is Kind.DIRECTORY:
                    trail.append(node)
                elif layer is None:
                    return None
                else:
                    raise IntegrityError(f"layer {layer + 1} puts something into {quoted(path)}, which is no directory")
            if hops > _HOPS or self._steps < 0:
                raise IntegrityError(f"{quoted(path)} leads through too many symbolic links")
        return trail[-1]

    def _child(self, parent: Node, name: bytes, layer: int | None) -> Node | None:
        node = parent.children.get(name)
        if node is None and layer is not None:
            node = parent.children[name] = self._new(parent, name, IMPLIED, layer)
        return node

    def _new(self, parent: Node, name: bytes, entry: Entry, layer: int) -> Node:
        length = parent.length + 1 + len(name)
        self._entries -= 1
        self._names -= length
        if self._entries < 0 or self._names < 0 or length > PATH_LIMIT:
            raise IntegrityError("the image has more entries, or longer names, than are read")
        return Node(entry, layer, length)


def joined(directory: bytes, name: bytes) -> bytes:
    """The path of `name` in a directory."""
    return directory + b"/" + name if directory else name
