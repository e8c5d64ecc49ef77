"""`extends`: what a spec says laid over the files that it shares with others.

Maps merge by key, at every depth; lists and scalars replace. Of several files, later ones are laid over earlier ones. Paths of
sources stay relative to the spec, wherever they are written: nothing outside its directory gets into an image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocibuild.errors import SpecError
from ocibuild.spec.document import Document
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.nodes import ListNode, MapNode, Node, ScalarNode
from ocibuild.spec.source import Source, read_source
from ocibuild.spec.values import is_template

# From a spec to its farthest ancestor. Each file is read once, so this bounds the work, too.
DEPTH_LIMIT = 10
_RULE, _KEY, _API = "spec-extends", "extends", "apiVersion"
# What each file says for itself.
_OWN = (_KEY, _API)


@dataclass(frozen=True, slots=True)
class _Ancestry:
    """What a file says together with all that it extends, and their sources."""

    root: MapNode
    sources: tuple[Source, ...]


def inherit(source: Source, root: MapNode, ledger: Ledger) -> Document:
    """The document that `root` is once it is laid over what it extends. What is wrong with that goes into `ledger`."""
    heirs = _Heirs(ledger)
    whole = heirs.resolve(source, root, (os.path.realpath(source.name),))
    document = Document(source, whole.root, ledger, whole.sources[1:])
    if heirs.is_malformed(root):  # said already
        document.broken.add((_KEY,))
    return document


def merge(below: Node, above: Node) -> Node:
    """`above` laid over `below`. Each value keeps its place."""
    if not (isinstance(below, MapNode) and isinstance(above, MapNode)):
        return above
    return merge_maps(below, above)


def merge_maps(below: MapNode, above: MapNode) -> MapNode:
    """Two maps as one: the keys of the lower one first, in the order in which they were written."""
    entries = dict(below.entries)
    for key, value in above.entries.items():
        entries[key] = merge(entries[key], value) if key in entries else value
    return MapNode(entries, {**below.key_spans, **above.key_spans}, above.span)


class _Heirs:
    """The files that were met on the way up from one spec, each resolved once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, _Ancestry | None] = {}

    def resolve(self, source: Source, root: MapNode, trail: tuple[str, ...]) -> _Ancestry:
        """`trail` are the real paths of the files that led here, this one included."""
        below: MapNode | None = None
        sources = [source]
        for name in self._names(root):
            parent = self._parent(name, trail)
            if parent is not None:
                below = parent.root if below is None else merge_maps(below, parent.root)
                sources += [each for each in parent.sources if each not in sources]
        return _Ancestry(root if below is None else merge_maps(_without_own(below), root), tuple(sources))

    def is_malformed(self, root: MapNode) -> bool:
        """Whether `extends` is there and names no file."""
        return _KEY in root.entries and not any(True for _ in _scalars(root.entries[_KEY]))

    def _names(self, root: MapNode) -> Iterator[ScalarNode]:
        if self.is_malformed(root):
            message = "`extends` takes the name of a file, or a list of them"
            self._ledger.add(_RULE, message, root.entries[_KEY].span.place, "for example `extends: ../defaults.yaml`")
        elif _KEY in root.entries:
            yield from _scalars(root.entries[_KEY])

    def _parent(self, name: ScalarNode, trail: tuple[str, ...]) -> _Ancestry | None:
        path = name.span.source.beside(name.text)
        real = os.path.realpath(path)
        refusal = _refusal(name.text, path, real, trail)
        if refusal is not None:
            self._ledger.add(_RULE, refusal[0], name.span.place, refusal[1])
            return None
        if real not in self._known:
            self._known[real] = self._read(path, (*trail, real))
        return self._known[real]

    def _read(self, path: str, trail: tuple[str, ...]) -> _Ancestry | None:
        from ocibuild.spec.compose import compose

        try:
            source = read_source(Path(path))
            roots = compose(source, self._ledger)
        except SpecError as error:
            self._ledger.take(error.findings)
            return None
        if len(roots) != 1 or not isinstance(roots[0], MapNode):
            place = roots[-1].span.place if roots else source.span(0, 0).place
            hint = "begin it with `apiVersion: ocibuild/v1`, and write keys of a spec below"
            self._ledger.add(_RULE, "a file that others extend is one map of keys and values", place, hint)
            return None
        return self.resolve(source, roots[0], trail) if self._is_ours(source, roots[0]) else None

    def _is_ours(self, source: Source, root: MapNode) -> bool:
        said = root.entries.get(_API)
        if isinstance(said, ScalarNode) and said.text == "ocibuild/v1":
            return True
        place = said.span.place if said is not None else root.span.place
        message = f"{source.name} is not a file of this format"
        self._ledger.add("spec-api-version", message, place, "begin it with `apiVersion: ocibuild/v1`")
        return False


def _refusal(text: str, path: str, real: str, trail: tuple[str, ...]) -> tuple[str, str] | None:
    """Why a file cannot be extended here, and what to do; None if it can be."""
    if is_template(text):
        return "`extends` is read before any template", "write the name of the file itself"
    if os.path.isabs(text):
        return f"{text!r} is an absolute path", "write it relative to this file: specs move with their repository"
    if real in trail:
        return f"{path} leads back to itself by `extends`", "take it out of the chain of files that extend one another"
    if len(trail) > DEPTH_LIMIT:
        return f"files extend one another more than {DEPTH_LIMIT} deep here", "two or three levels are enough"
    if not os.path.isfile(real):
        return f"there is no file {path}", "paths of `extends` are relative to the file that they stand in"
    return None


def _scalars(node: Node) -> tuple[ScalarNode, ...]:
    """The names that `extends` gives; none where it is not of the right form."""
    items = node.items if isinstance(node, ListNode) else (node,)
    names = tuple(item for item in items if isinstance(item, ScalarNode) and not item.is_nothing)
    return names if len(names) == len(items) else ()


def _without_own(root: MapNode) -> MapNode:
    kept = {key: value for key, value in root.entries.items() if key not in _OWN}
    return MapNode(kept, root.key_spans, root.span)
