"""What we say of rendered documents is what the package jsonschema says, with the same notion of kinds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError
from jsonschema.validators import Draft7Validator, extend

from ocibuild.schema_files import schema_text
from ocibuild.spec.schema import _HOLDS, _INSIDE, _compile, breaches_of
from ocibuild.spec.values import Bare, Value

README = (Path(__file__).parents[2] / "README.md").read_text()
RAW = json.loads(schema_text())


def _is_integer(_checker: Any, value: Any) -> bool:
    return isinstance(value, Bare) and value.removeprefix("-").isdecimal() and str(int(value)) == value


def _is_boolean(_checker: Any, value: Any) -> bool:
    return isinstance(value, Bare) and value in ("true", "false")


def _const(_validator: Any, expected: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if not (_is_boolean(None, value) and value == "true" if expected is True else value == expected):
        yield ValidationError("const")


def _minimum(validator: Any, least: int, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "integer") and int(value) < least:
        yield ValidationError("minimum")


def _maximum(validator: Any, most: int, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "integer") and int(value) > most:
        yield ValidationError("maximum")


CHECKER = Draft7Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "boolean": _is_boolean})
KEYWORDS = {"const": _const, "minimum": _minimum, "maximum": _maximum}
ORACLE = extend(Draft7Validator, KEYWORDS, type_checker=CHECKER)  # type: ignore[no-untyped-call]


def value_of(written: Any) -> Value:
    """What YAML without types of its own reads, as a rendered document has it."""
    if isinstance(written, dict):
        return {key: value_of(item) for key, item in written.items()}
    if isinstance(written, list):
        return [value_of(item) for item in written]
    return Bare(written) if written is not None else None


SPECS = [
    value_of(yaml.load(text, yaml.BaseLoader))
    for text in re.findall(r"<!-- spec -->\n```yaml\n(.*?)```", README, re.DOTALL)
]


def nodes(value: Value) -> Iterator[Value]:
    """`value` and all in it."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(item)


PIECES = [node for spec in SPECS for node in nodes(spec)] + [None, "", "true", Bare("-1"), Bare("99999"), [], {}]
KEYS = sorted({key for node in PIECES if isinstance(node, dict) for key in node})


@st.composite
def damaged(draw: st.DrawFn, value: Value) -> Value:
    """A document in which something has been taken away, added, or replaced by something from elsewhere."""
    act = draw(st.sampled_from(("go on", "go on", "go on", "take", "add", "replace")))
    if act == "replace" or not isinstance(value, dict | list):
        return draw(st.sampled_from(PIECES))
    copy = value.copy()
    if act == "add" and isinstance(copy, dict):
        copy[draw(st.sampled_from(KEYS))] = draw(st.sampled_from(PIECES))
    elif act == "add" and isinstance(copy, list):
        copy.append(draw(st.sampled_from(PIECES)))
    elif copy:
        where = draw(st.sampled_from(list(copy) if isinstance(copy, dict) else range(len(copy))))
        if act == "take":
            del copy[where]
        else:
            copy[where] = draw(damaged(copy[where]))
    return copy


def said(breaches: Any) -> set[Any]:
    """Breaches, whatever their order and however often each."""
    return {(each.path, each.keyword, repr(each.value), *map(frozenset, map(said, each.branches))) for each in breaches}


def oracle_said(errors: Any) -> set[Any]:
    """The same of what the package says."""
    return {_oracle_breach(error) for error in errors}


def _oracle_breach(error: Any) -> Any:
    branches: list[list[Any]] = [[] for _ in error.validator_value] if error.context else []
    for inner in error.context:
        branches[inner.relative_schema_path[0]].append(inner)
    keyword = "propertyNames" if "propertyNames" in error.absolute_schema_path else error.validator
    return tuple(error.absolute_path), keyword, repr(error.instance), *map(frozenset, map(oracle_said, branches))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_breaches_are_those_that_jsonschema_finds(data: st.DataObject) -> None:
    document = data.draw(st.sampled_from(SPECS))
    for _ in range(data.draw(st.integers(0, 3))):
        document = data.draw(damaged(document))
    definition = data.draw(st.sampled_from((None, "policy")))
    schema = _compile(RAW["definitions"][definition] if definition else RAW, RAW["definitions"])
    assert said(breaches_of(document, definition)) == oracle_said(ORACLE(schema).iter_errors(document))


def test_every_keyword_of_the_schema_is_judged_or_says_nothing_of_values() -> None:
    says_nothing = {"$schema", "title", "description", "examples"}
    assert keywords_in(_compile(RAW, RAW["definitions"])) - says_nothing <= {*_HOLDS, *_INSIDE}


def keywords_in(schema: Any) -> set[str]:
    """The keywords of a schema and of those in it."""
    found = set(schema)
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), *schema.get("oneOf", [])]
    inner += [schema[key] for key in ("items", "additionalProperties", "propertyNames") if schema.get(key)]
    return found.union(*map(keywords_in, inner))
