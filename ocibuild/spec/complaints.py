"""Breaches of the schema in our own words: one complaint for one root cause, with a hint."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ocibuild.spec.keys import hint_for_key
from ocibuild.spec.nodes import Path
from ocibuild.spec.scope import did_you_mean
from ocibuild.spec.values import Value

_SUPPORTED = "ocibuild/v1"
_QUOTED = 60  # characters of a value that a message repeats
_COMMANDS = ("entrypoint", "cmd", "shell", "test", "onbuild")
_KINDS = {"string": "text", "number": "text", "boolean": "true or false", "integer": "a whole number"}
_KINDS |= {"array": "a list", "object": "a map"}
# What to write instead, where examples do not say it. By the title in the schema.
_HINTS = {
    "owner": "write numbers, such as 0:0 or 65532:65532, or keep: a name means nothing until the image runs",
    "mode": "write 3 or 4 octal digits, such as 0644 or 0755",
    "path in the image": "begin it with /",
    "tag": "write a text for each tag, such as latest or {{ version }}",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule of the schema that a value breaks: `keyword` with what it expects, in the `schema` of that value.

    `branches` are the breaches of each alternative of anyOf and oneOf.
    """

    path: Path
    keyword: str
    expected: Any
    schema: Mapping[str, Any]
    value: Value
    branches: tuple[tuple[Breach, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Complaint:
    """What to report of the value at `path`: there, or at its key (`at_key`). `usable` values are still read further."""

    rule: str
    path: Path
    message: str
    hint: str | None = None
    at_key: bool = False
    usable: bool = False


def explain(breach: Breach) -> Iterator[Complaint]:
    """What is wrong, said once and in terms of the file."""
    if breach.value is None:
        yield Complaint("spec-no-value", breach.path, f"{_subject(breach)} has no value", _no_value_hint(breach))
        return
    yield from _EXPLANATIONS.get(breach.keyword, _bad_value)(breach)


def _unknown_keys(breach: Breach) -> Iterator[Complaint]:
    known = breach.schema["properties"]
    for key in breach.value:
        if key not in known:
            yield _unknown_key(breach, key, hint_for_key(key, known))


def _unknown_key(breach: Breach, key: str, hint: str) -> Complaint:
    named = bool(breach.path) and isinstance(breach.path[-1], str)
    owner = f"`{breach.path[-1]}`" if named else _article(breach.schema["title"])
    return Complaint("spec-unknown-key", (*breach.path, key), f"`{key}` is not a key of {owner}", hint, at_key=True)


def _missing_keys(breach: Breach) -> Iterator[Complaint]:
    for key in breach.expected:
        if key in breach.value:
            continue
        if key == "apiVersion":
            hint = f"begin the file with `apiVersion: {_SUPPORTED}`"
            yield Complaint("spec-api-version", breach.path, "`apiVersion` is missing", hint, usable=True)
        else:
            message = f"`{key}` is missing in this {breach.schema['title']}"
            hint = _how_to_add(key, breach.schema["properties"][key])
            yield Complaint("spec-missing-key", breach.path, message, hint, usable=True)


def _how_to_add(key: str, schema: Mapping[str, Any]) -> str:
    if schema.get("examples"):
        return f"add it, for example `{key}: {schema['examples'][0]}`"
    description = str(schema["description"]).partition(". ")[0].rstrip(".")
    return f"add it: {description[:1].lower()}{description[1:]}"


def _wrong_type(breach: Breach) -> Iterator[Complaint]:
    wanted = _kinds_of(breach.schema)
    yield _type_complaint(breach, wanted)


def _type_complaint(breach: Breach, wanted: list[str]) -> Complaint:
    exact = isinstance(breach.value, str) and len(breach.value) <= _QUOTED and not {"a list", "a map"} & set(wanted)
    found = f"`{breach.value}`" if exact else _kind_of(breach.value)
    message = f"{_subject(breach)} has to be {' or '.join(wanted)}, not {found}"
    return Complaint("spec-wrong-type", breach.path, message, _type_hint(breach, wanted))


def _type_hint(breach: Breach, wanted: list[str]) -> str | None:
    title = breach.schema.get("title", "")
    if "a list" in wanted and isinstance(breach.value, str):
        return f"write a list: {json.dumps(_as_list(breach), ensure_ascii=False)}"
    if wanted == ["a list"] and isinstance(breach.value, dict):
        return "begin each of its entries with `- `"
    if "a whole number" in wanted:
        return "write digits only, without quotes"
    if "true" in wanted or "true or false" in wanted:
        return "write it without quotes"
    if wanted == ["a map"]:
        return "write `name: value` below it, indented"
    return _HINTS.get(title) or _examples(breach.schema) or f"write {' or '.join(wanted)}"


def _as_list(breach: Breach) -> list[str]:
    if breach.path[-1] in _COMMANDS:
        try:
            return shlex.split(breach.value)
        except ValueError:
            pass
    return [str(breach.value)]


def _bad_value(breach: Breach) -> Iterator[Complaint]:
    title = breach.schema.get("title", "value")
    if isinstance(breach.value, str) and len(breach.value) <= _QUOTED:
        message = f"`{breach.value}` is not {_article(title)}"
    else:
        message = f"this is not {_article(title)}"
    hint = _HINTS.get(title) or _examples(breach.schema)
    yield Complaint("spec-bad-value", breach.path, message, hint)


def _out_of_range(breach: Breach) -> Iterator[Complaint]:
    word = "at least" if breach.keyword == "minimum" else "at most"
    hint = f"write a number from {breach.schema['minimum']} to {breach.schema['maximum']}"
    yield Complaint("spec-bad-value", breach.path, f"{_subject(breach)} has to be {word} {breach.expected}", hint)


def _not_true(breach: Breach) -> Iterator[Complaint]:
    yield _type_complaint(breach, ["true"])


def _too_few(breach: Breach) -> Iterator[Complaint]:
    hint = "write at least one entry" if breach.keyword == "minItems" else "write at least one character"
    yield Complaint("spec-bad-value", breach.path, f"{_subject(breach)} is empty", hint)


def _bad_name(breach: Breach) -> Iterator[Complaint]:
    hint = "use letters, digits and `_`, and do not begin with a digit"
    message = f"`{breach.value}` is not a name of a variable"
    yield Complaint("spec-bad-value", (*breach.path, breach.value), message, hint, at_key=True)


def _alternatives(breach: Breach) -> Iterator[Complaint]:
    options = list(zip(breach.expected, breach.branches, strict=True))
    if all("const" in option for option, _ in options):
        yield from _not_among(breach, [str(option["const"]) for option, _ in options])
        return
    kind = _kind_of(breach.value)
    fitting = [(option, branch) for option, branch in options if kind in _accepted_by(option)]
    if len(fitting) > 1 and isinstance(breach.value, dict):
        yield from _by_verb(breach, fitting)
    elif len(fitting) == 1:
        for inner in fitting[0][1]:
            yield from explain(inner)
    else:
        wanted = list(dict.fromkeys(kind for option, _ in options for kind in _kinds_of(option)))
        yield _type_complaint(breach, wanted)


def _not_among(breach: Breach, names: list[str]) -> Iterator[Complaint]:
    if names == [_SUPPORTED]:
        yield _api_version(breach)
        return
    if not isinstance(breach.value, str):
        yield _type_complaint(breach, ["text"])
        return
    hint = did_you_mean(breach.value, names)
    choices = f"use {', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else f"write {names[0]}"
    yield Complaint(
        "spec-bad-value", breach.path, f"`{breach.value}` is not {_article(breach.schema['title'])}", hint or choices
    )


def _api_version(breach: Breach) -> Complaint:
    if isinstance(breach.value, str) and breach.value.startswith("ocibuild/"):
        message = f"this version of ocibuild reads `{_SUPPORTED}`, not `{breach.value}`"
        return Complaint(
            "spec-api-version", breach.path, message, "use a newer ocibuild, or write the file for this one"
        )
    return Complaint(
        "spec-api-version", breach.path, "this is not a spec of ocibuild", f"a spec has `apiVersion: {_SUPPORTED}`"
    )


def _by_verb(breach: Breach, options: list[tuple[Any, tuple[Breach, ...]]]) -> Iterator[Complaint]:
    # Alternatives that are all maps are told apart by the first key that each requires.
    branches = {option["required"][0]: branch for option, branch in options}
    found = [key for key in breach.value if key in branches]
    title, names = breach.schema["title"], ", ".join(branches)
    if len(found) > 1:
        message = f"this {title} has {_listed(found)}, and may have only one of them"
        hint = f"make {len(found)} entries of it"
        yield Complaint("spec-several-kinds", breach.path, message, hint)
    elif found:
        for inner in branches[found[0]]:
            yield from explain(inner)
    else:
        known = {key for option, _ in options for key in option["properties"]}
        slip = next((key for key in breach.value if key not in known and did_you_mean(key, branches)), None)
        if slip is not None:
            yield _unknown_key(breach, slip, did_you_mean(slip, branches) or "")
        else:
            message, hint = f"this {title} does not say what it is", f"it has exactly one of {names}"
            if title == "layer" and "to" in breach.value:
                hint = "what has a `to` is an item of a layer: write `- files:`, and the items below it"
            yield Complaint("spec-no-kind", breach.path, message, hint)


_EXPLANATIONS: Mapping[str, Callable[[Breach], Iterator[Complaint]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "const": _not_true,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "minimum": _out_of_range,
    "maximum": _out_of_range,
    "minItems": _too_few,
    "minLength": _too_few,
    "propertyNames": _bad_name,
}


def _kinds_of(schema: Any) -> list[str]:
    """What a schema takes, in words."""
    if not isinstance(schema, dict):
        return []
    if "const" in schema:
        return ["true"] if schema["const"] is True else ["text"]
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return ["text"] if "string" in names else [_KINDS[name] for name in names]
    inner = [kind for option in (schema.get("anyOf") or schema.get("oneOf") or ()) for kind in _kinds_of(option)]
    return list(dict.fromkeys(inner))


def _accepted_by(schema: Any) -> set[str]:
    kinds = set(_kinds_of(schema))
    return kinds | {"text"} if kinds & {"a whole number", "true or false", "true"} else kinds


def _kind_of(value: Value) -> str:
    return "a map" if isinstance(value, dict) else "a list" if isinstance(value, list) else "text"


def _subject(breach: Breach) -> str:
    if not breach.path:
        return "a spec"
    last = breach.path[-1]
    if isinstance(last, str):
        return f"`{last}`"
    owner = next((key for key in reversed(breach.path) if isinstance(key, str)), "")
    return f"an entry of `{owner}`"


def _no_value_hint(breach: Breach) -> str:
    kinds = _kinds_of(breach.schema)
    if "text" in kinds and breach.schema.get("title") not in ("text", "content", "default"):
        return "write one, or leave the key out"
    empty = "[]" if "a list" in kinds else '""' if "text" in kinds else "{}"
    return f"write one, or {empty} for an empty one, or leave the key out"


def _examples(schema: Mapping[str, Any]) -> str | None:
    examples = schema.get("examples")
    return f"for example {' or '.join(map(str, examples[:2]))}" if examples else None


def _article(title: str) -> str:
    return f"{'an' if title.lstrip('`')[:1].lower() in 'aeio' else 'a'} {title}"


def _listed(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"
