"""The part of Jinja that templates may use, as lists of what is allowed and functions that cannot explode.

The sandbox of Jinja keeps templates from the interpreter's insides; it does not keep them from `'a' * 10**8`,
`'%1000000000d' | format(1)` or nested loops. So nothing is allowed that makes much from little, and what can grow is bounded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

TEXT_LIMIT = 1 << 16  # characters of any one value inside an expression
_NUMBER_LIMIT = 1 << 63
_WORK_LIMIT = 1_000_000
_OUTPUT_BUDGET = 1 << 25
_SHORTER = "put long text into a file, and `copy` it"


class TemplateError(Exception):
    """A template that cannot be rendered: why, and how to mend it.

    `needle` is the part of the template to point at, `line` its 1-based line, where known. A `silent` fault follows from
    one that was reported already; `rule` is the id of the finding that it becomes. `further` errors were met with it.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        needle: str | None = None,
        line: int | None = None,
        silent: bool = False,
        rule: str = "spec-template-failed",
    ) -> None:
        super().__init__(message)
        self.message, self.hint, self.needle, self.line, self.silent = message, hint, needle, line, silent
        self.rule = rule
        self.further: tuple[TemplateError, ...] = ()


@dataclass(slots=True)
class Budget:
    """What all templates of one spec may use up together: evaluated nodes, and characters written."""

    work: int = _WORK_LIMIT
    output: int = _OUTPUT_BUDGET

    def spend(self, work: int) -> None:
        self.work -= work
        if self.work < 0:
            raise TemplateError("the loops of this spec's templates take too long", "loop over fewer values")


def bounded(value: Any) -> Any:
    """`value`, unless it has grown beyond what one value may hold."""
    if isinstance(value, str | list | tuple) and len(value) > TEXT_LIMIT:
        raise TemplateError(f"a value in this template is longer than {TEXT_LIMIT} characters", _SHORTER)
    if isinstance(value, int) and abs(value) > _NUMBER_LIMIT:
        raise TemplateError("a number in this template is too large", "write it as text")
    return value


def as_text(value: Any) -> str:
    """What a template writes for `value`: text, whole numbers, and `true` or `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if value is None:
        raise TemplateError("this expression gives nothing", "write '' for empty text")
    if isinstance(value, list | tuple):
        raise TemplateError("this expression gives a list", "choose an item, such as `[0]`, or use `| join(', ')`")
    str(value)  # a name without a value complains of itself here
    raise TemplateError("this expression gives no text", "name one of its facts, such as `platform.arch`")


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    if len(text) + text.count(old) * max(len(new) - len(old), 0) > TEXT_LIMIT:
        raise TemplateError(f"`replace` would give more than {TEXT_LIMIT} characters", _SHORTER)
    return text.replace(old, new, count)


def _join(items: Sequence[Any], separator: str = "") -> str:
    texts = [as_text(item) for item in items]
    if sum(map(len, texts)) + len(separator) * len(texts) > TEXT_LIMIT:
        raise TemplateError(f"`join` would give more than {TEXT_LIMIT} characters", _SHORTER)
    return separator.join(texts)


def _first(items: Sequence[Any]) -> Any:
    if not items:
        raise TemplateError(
            "`first` has nothing to choose from", "write `| default('...')` before it where that may be"
        )
    return items[0]


def _last(items: Sequence[Any]) -> Any:
    if not items:
        raise TemplateError("`last` has nothing to choose from", "write `| default('...')` before it where that may be")
    return items[-1]


def _int(value: Any, default: int = 0) -> int:
    try:
        return int(bounded(value))
    except (TypeError, ValueError):
        return default


def _json(value: str | int) -> str:
    return json.dumps(value, ensure_ascii=False)


def _trim(text: str, characters: str | None = None) -> str:
    return text.strip(characters)


# Methods of text, by name: `version.split(".")`. Each takes the text first.
METHODS: dict[str, Callable[..., Any]] = {
    "endswith": str.endswith,
    "lower": str.lower,
    "lstrip": str.lstrip,
    "removeprefix": str.removeprefix,
    "removesuffix": str.removesuffix,
    "replace": _replace,
    "rsplit": str.rsplit,
    "rstrip": str.rstrip,
    "split": str.split,
    "splitlines": str.splitlines,
    "startswith": str.startswith,
    "strip": str.strip,
    "title": str.title,
    "upper": str.upper,
}

# Filters besides `default`, which has to see undefined values and is Jinja's own.
FILTERS: dict[str, Callable[..., Any]] = {
    "capitalize": lambda value: as_text(value).capitalize(),
    "count": len,
    "first": _first,
    "int": _int,
    "join": _join,
    "last": _last,
    "length": len,
    "lower": lambda value: as_text(value).lower(),
    "replace": lambda value, *arguments: _replace(as_text(value), *arguments),
    "string": as_text,
    "title": lambda value: as_text(value).title(),
    "tojson": _json,
    "trim": lambda value, *arguments: _trim(as_text(value), *arguments),
    "upper": lambda value: as_text(value).upper(),
}
JINJA_FILTERS = ("d", "default")
TESTS = (
    *("defined", "undefined", "eq", "equalto", "==", "ne", "!=", "lt", "<", "le", "<=", "gt", ">", "ge", ">=", "in"),
    *("number", "string", "true", "false"),
)
LOOP_FACTS = ("first", "index", "index0", "last", "length")

# Node classes of Jinja that a template may consist of.
NODES = (
    *(
        "Template",
        "TemplateData",
        "Output",
        "If",
        "For",
        "Assign",
        "Name",
        "Const",
        "List",
        "Tuple",
        "Getattr",
        "Getitem",
    ),
    *("Slice", "Call", "Keyword", "Filter", "Test", "CondExpr", "Compare", "Operand", "And", "Or", "Not", "Concat"),
    *("Add", "Sub", "Neg"),
)
# What people reach for that is not among them, in their words.
REFUSED = {
    "Mul": "`*`",
    "Pow": "`**`",
    "Div": "`/`",
    "FloorDiv": "`//`",
    "Mod": "`%` between values",
    "Dict": "a map in braces",
    "Include": "`{% include %}`",
    "Import": "`{% import %}`",
    "FromImport": "`{% from %}`",
    "Extends": "`{% extends %}`",
    "Block": "`{% block %}`",
    "Macro": "`{% macro %}`",
    "CallBlock": "`{% call %}`",
    "FilterBlock": "`{% filter %}`",
    "AssignBlock": "`{% set %}` with a block",
    "With": "`{% with %}`",
    "NSRef": "a namespace",
}
