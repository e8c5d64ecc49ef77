"""The files of an image as compact JSON for the page's script: columns in the order of a walk, attributes once each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocibuild.tree.entry import Entry, Kind, mode_text, shown
from ocibuild.tree.merged import Node, Tree


def file_columns(tree: Tree, marks: Mapping[bytes, str]) -> dict[str, Any]:
    """Columns `name`, `attributes` (a number) and `size`, directories before what is in them; `size` of a directory is the number
    of its children. `links` is by position. `kinds` has for each number: mode, owner, layer, mark and extended attributes.

    `marks` says of paths that they are new or differ (`+`, `~`).
    """
    columns = _Columns(marks)
    for path, node in tree.walk():
        columns.add(path, node)
    return columns.document()


class _Columns:
    def __init__(self, marks: Mapping[bytes, str]) -> None:
        self._marks = marks
        self._names: list[str] = []
        self._attributes: list[int] = []
        self._sizes: list[int] = []
        self._links: dict[str, str] = {}
        self._kinds: dict[tuple[str, str, int, str, str], int] = {}
        self._first_names: dict[int, bytes] = {}

    def add(self, path: bytes, node: Node) -> None:
        """A row more. What shares its entry with an earlier path is shown as a hard link to that."""
        entry = node.entry
        mode = mode_text(entry)
        if entry.kind is Kind.SYMLINK:
            self._link(_text(entry.link))
        elif entry.kind is not Kind.DIRECTORY:
            first = self._first_names.setdefault(id(entry), path)
            if first != path:
                mode = "h" + mode[1:]
                self._link(shown(first))
        kind = (mode, f"{entry.uid}:{entry.gid}", node.layer + 1, self._marks.get(path, ""), _extras(entry))
        self._names.append(_text(path.rpartition(b"/")[2]))
        self._attributes.append(self._kinds.setdefault(kind, len(self._kinds)))
        self._sizes.append(len(node.children) if entry.kind is Kind.DIRECTORY else entry.size)

    def _link(self, target: str) -> None:
        self._links[str(len(self._names))] = target

    def document(self) -> dict[str, Any]:
        return {
            "name": self._names,
            "attributes": self._attributes,
            "size": self._sizes,
            "links": self._links,
            "kinds": [list(kind) for kind in self._kinds],
        }


def _extras(entry: Entry) -> str:
    device = f"device {entry.device[0]}:{entry.device[1]}" if entry.device != (0, 0) else ""
    return " ".join(filter(None, (device, *(name for name, _ in entry.xattrs))))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
