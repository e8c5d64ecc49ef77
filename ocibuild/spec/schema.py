"""The JSON Schema as the judge of rendered documents: the keywords of draft 7 that it uses, and no others.

The published schema also serves editors, which see numbers and templates where we see text. `_compile` takes that slack out.
Judging is written here since it is less than what adapting the package jsonschema took, which also takes 35 ms to import: as long
as looking at 10,000 files. That package is the oracle of the tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ocibuild.schema_files import SPEC, schema_text
from ocibuild.spec.complaints import Breach
from ocibuild.spec.nodes import Path
from ocibuild.spec.values import Bare, Value

Schema = dict[str, Any]
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
# Every pattern of the schema that templates may stand in for ends with this.
_OR_TEMPLATE = r"|\{[{%]"
# And every list of alternatives that one may stand among has this.
_TEMPLATE = {"$ref": "#/definitions/template"}


def breaches_of(document: Value, definition: str | None = None) -> list[Breach]:
    """Every breach of the spec's schema, or of one of its definitions, in a rendered document."""
    return list(_judge(document, _compiled(definition), ()))


@lru_cache(maxsize=2)
def _compiled(definition: str | None) -> Schema:
    raw = json.loads(schema_text(SPEC))
    compiled: Schema = _compile(raw["definitions"][definition] if definition else raw, raw["definitions"])
    return compiled


def _compile(schema: Any, definitions: Schema) -> Any:
    """`schema` with its references put in place (it has no cycles), and without the slack for templates."""
    if isinstance(schema, list):
        return [_compile(item, definitions) for item in schema if item != _TEMPLATE]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _compile(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    compiled = {key: _compile(value, definitions) for key, value in schema.items() if key != "definitions"}
    if "allOf" in compiled:  # a reference with a description of its own
        compiled = {**compiled.pop("allOf")[0], **compiled}
    if isinstance(compiled.get("pattern"), str):
        compiled["pattern"] = compiled["pattern"].removesuffix(_OR_TEMPLATE)
    return compiled


def _judge(value: Value, schema: Schema, path: Path) -> Iterator[Breach]:
    """The breaches of `schema` in the value at `path`, in the order of its keywords."""
    for keyword, expected in schema.items():
        if keyword in _HOLDS:
            if not _HOLDS[keyword](expected, value):
                yield Breach(path, keyword, expected, schema, value)
        elif keyword in _INSIDE:
            yield from _INSIDE[keyword](expected, value, schema, path)


def _is_integer(value: Value) -> bool:
    return isinstance(value, Bare) and _INTEGER.fullmatch(value) is not None


_KINDS: dict[str, Callable[[Value], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": lambda _: False,  # a document holds text
    "boolean": lambda value: isinstance(value, Bare) and value in ("true", "false"),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _has_kind(kinds: str | list[str], value: Value) -> bool:
    return any(_KINDS[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _is_const(expected: Any, value: Value) -> bool:
    return isinstance(value, Bare) and value == "true" if expected is True else bool(value == expected)


# Keywords that a value as a whole fulfils or does not. Each says nothing of values of other kinds than its own.
_HOLDS: dict[str, Callable[[Any, Value], bool]] = {
    "type": _has_kind,
    "const": _is_const,
    "pattern": lambda regex, value: not isinstance(value, str) or re.search(regex, value) is not None,
    "minLength": lambda least, value: not isinstance(value, str) or len(value) >= least,
    "minItems": lambda least, value: not isinstance(value, list) or len(value) >= least,
    "minProperties": lambda least, value: not isinstance(value, dict) or len(value) >= least,
    "minimum": lambda least, value: not _is_integer(value) or int(value) >= least,
    "maximum": lambda most, value: not _is_integer(value) or int(value) <= most,
    "required": lambda keys, value: not isinstance(value, dict) or all(key in value for key in keys),
}


def _items(inner: Schema, value: Value, _: Schema, path: Path) -> Iterator[Breach]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        yield from _judge(item, inner, (*path, index))


def _properties(inner: Schema, value: Value, _: Schema, path: Path) -> Iterator[Breach]:
    for key, schema in inner.items():
        if isinstance(value, dict) and key in value:
            yield from _judge(value[key], schema, (*path, key))


def _other_properties(inner: Schema | bool, value: Value, schema: Schema, path: Path) -> Iterator[Breach]:
    known = schema.get("properties", {})
    others = [key for key in value if key not in known] if isinstance(value, dict) else []
    if inner is False and others:
        yield Breach(path, "additionalProperties", inner, schema, value)
    elif isinstance(inner, dict):
        for key in others:
            yield from _judge(value[key], inner, (*path, key))


def _property_names(inner: Schema, value: Value, _: Schema, path: Path) -> Iterator[Breach]:
    for key in value if isinstance(value, dict) else ():
        yield from (replace(breach, keyword="propertyNames") for breach in _judge(key, inner, path))


def _any_of(options: list[Schema], value: Value, schema: Schema, path: Path) -> Iterator[Breach]:
    branches = tuple(tuple(_judge(value, option, path)) for option in options)
    if all(branches):
        yield Breach(path, "anyOf", options, schema, value, branches)


def _one_of(options: list[Schema], value: Value, schema: Schema, path: Path) -> Iterator[Breach]:
    branches = tuple(tuple(_judge(value, option, path)) for option in options)
    fitting = sum(not branch for branch in branches)
    if fitting != 1:
        yield Breach(path, "oneOf", options, schema, value, () if fitting else branches)


# Keywords that look into a value, or at it through other schemas.
_INSIDE: dict[str, Callable[[Any, Value, Schema, Path], Iterator[Breach]]] = {
    "items": _items,
    "properties": _properties,
    "additionalProperties": _other_properties,
    "propertyNames": _property_names,
    "anyOf": _any_of,
    "oneOf": _one_of,
}
