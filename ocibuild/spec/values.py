"""Rendered values: what the nodes of a spec say once templates are evaluated. The shape is always that of the nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ocibuild.spec.nodes import ListNode, MapNode, Node, Path, ScalarNode

Value = Any  # None (nothing written), str, Bare, list[Value] or dict[str, Value]


class Bare(str):
    """Text that was written without quotes, or by a template: a number or a truth value where one is meant."""

    __slots__ = ()


def is_template(text: str) -> bool:
    """Whether `text` has to be rendered."""
    return "{{" in text or "{%" in text


def evaluate(node: Node, path: Path, render: Callable[[ScalarNode, Path], str]) -> Value:
    """The value of `node`, which stands at `path`, its templates replaced by what `render` gives. Keys are never templates."""
    if isinstance(node, MapNode):
        return {key: evaluate(value, (*path, key), render) for key, value in node.entries.items()}
    if isinstance(node, ListNode):
        return [evaluate(item, (*path, index), render) for index, item in enumerate(node.items)]
    if node.is_nothing:
        return None
    if is_template(node.text):
        return Bare(render(node, path))
    return Bare(node.text) if node.plain else node.text


def without(value: Value, paths: list[Path]) -> Value:
    """`value` without what stands at `paths`; items of a list become None, so that the others keep their index."""
    here = {path[0] for path in paths if len(path) == 1}
    if isinstance(value, dict):
        return {key: without(item, _below(paths, key)) for key, item in value.items() if key not in here}
    if isinstance(value, list):
        return [None if i in here else without(item, _below(paths, i)) for i, item in enumerate(value)]
    return value


def _below(paths: list[Path], key: str | int) -> list[Path]:
    return [path[1:] for path in paths if len(path) > 1 and path[0] == key]
