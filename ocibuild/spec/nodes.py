"""YAML as values: text, lists and maps, each with its place. Nothing is a number or a truth value yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ocibuild.spec.source import Span

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ScalarNode:
    """Text as written. `plain` is text without quotes, which may be a number or a truth value where one is meant."""

    text: str
    plain: bool
    span: Span

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is written where a value could be (`key:`)."""
        return self.plain and not self.text


@dataclass(frozen=True, slots=True, eq=False)
class ListNode:
    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class MapNode:
    """Keys are unique text. `key_spans` tells where each is written."""

    entries: dict[str, Node]
    key_spans: dict[str, Span]
    span: Span


Node = ScalarNode | ListNode | MapNode


def child(node: Node | None, key: str | int) -> Node | None:
    """The value under a key or an index of `node`, None where there is none."""
    if isinstance(node, MapNode) and isinstance(key, str):
        return node.entries.get(key)
    if isinstance(node, ListNode) and isinstance(key, int) and key < len(node.items):
        return node.items[key]
    return None


def span_of(node: Node, path: Path) -> Span:
    """Where the value at `path` stands, or the innermost value around it that exists."""
    span = node.span
    current: Node | None = node
    for key in path:
        current = child(current, key)
        if current is None:
            break
        span = current.span
    return span


def key_span_of(node: Node, path: Path) -> Span:
    """Where the key that `path` ends with is written; the value's place for an item of a list."""
    parent: Node | None = node
    for key in path[:-1]:
        parent = child(parent, key)
    if isinstance(parent, MapNode) and path and path[-1] in parent.key_spans:
        return parent.key_spans[str(path[-1])]
    return span_of(node, path)


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every value below `node` with its path, parents first. Nesting is bounded where nodes are made."""
    yield path, node
    if isinstance(node, MapNode):
        for key, value in node.entries.items():
            yield from walk(value, (*path, key))
    elif isinstance(node, ListNode):
        for index, item in enumerate(node.items):
            yield from walk(item, (*path, index))
