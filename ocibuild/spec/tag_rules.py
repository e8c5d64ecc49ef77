"""Entries of `tags` and the `flavor`, as values: texts as docker/metadata-action writes them, or maps with the same keys.

`{{version}}`, `{{branch}}` and the other names of rules belong to the rule, and are filled in when the tag is made. All other
expressions are templates as everywhere in a spec. Each attribute is rendered by itself, so no value adds another one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ocibuild.errors import UsageError
from ocibuild.regexes import parse_regex
from ocibuild.spec.scope import did_you_mean
from ocibuild.spec.values import is_template
from ocibuild.tagging import (
    BUILD_NAMES,
    DATE_NAMES,
    PRIORITIES,
    VERSION_NAMES,
    Expression,
    Flavor,
    Latest,
    RefKind,
    RuleText,
    TagRule,
    TagType,
)

Kind = TypeVar("Kind", TagType, RefKind, Latest)
Render = Callable[[str], str]
_COMMON = ("type", "enable", "priority", "prefix", "suffix")
# The attributes of each type besides; those of the second tuple have to be there.
_ATTRIBUTES: Mapping[TagType, tuple[tuple[str, ...], tuple[str, ...]]] = {
    TagType.SCHEDULE: (("pattern",), ()),
    TagType.SEMVER: (("pattern", "value", "match"), ("pattern",)),
    TagType.PEP440: (("pattern", "value", "match"), ("pattern",)),
    TagType.MATCH: (("pattern", "group", "value"), ("pattern",)),
    TagType.EDGE: (("branch",), ()),
    TagType.REF: (("event",), ("event",)),
    TagType.RAW: (("value",), ("value",)),
    TagType.SHA: (("format",), ()),
}
# No rule needs more; and looking for the ends of a million opening braces would take hours.
_TEXT_LIMIT = 4096
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
# A field in quotes, as in CSV; or text in which the commas of expressions do not count.
_FIELD = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?:,|\Z)|((?:\{\{.*?\}\}|\{%.*?%\}|[^,])*)(?:,|\Z)', re.DOTALL)
_DATE = re.compile(rf"({'|'.join(DATE_NAMES)})((?:\s+(?:tz\s*=\s*)?(?:'[^']*'|\"[^\"]*\"))*)")
_ARGUMENT = re.compile(r"(tz\s*=\s*)?(?:'([^']*)'|\"([^\"]*)\")")
_HANDLEBARS = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_REGEX = re.compile(r"/(.+)/([a-z]*)", re.DOTALL)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.NOFLAG}
_NAMED_GROUP = re.compile(r"\(\?<(?![=!])")


def is_rule(text: str) -> bool:
    """Whether an entry of `tags` is a rule: what is no tag for the `=` in it, templates aside."""
    return len(text) <= _TEXT_LIMIT and "=" in _JINJA.sub("", text)


def attributes_of(text: str) -> dict[str, str]:
    """The attributes of a rule that is written as text; what has no `=` is the value. UsageError for several lines."""
    if "\n" in text.strip():
        raise UsageError("a rule is one line", hint="write an entry of the list for each")
    attributes: dict[str, str] = {}
    for field in _fields(text):
        key, _, value = field.partition("=") if is_rule(field) else ("value", "", field)
        attributes[key.strip().lower()] = value.strip()
    return attributes


def _fields(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _FIELD.match(text, position)
        assert match is not None, "the pattern takes any text"
        field = match[2] if match[1] is None else match[1].replace('""', '"')
        if field.strip():
            yield field
        position = match.end()


def tag_rule(attributes: Mapping[str, str], render: Render) -> TagRule:
    """The rule that these attributes describe. UsageError for what makes none; templates raise what `render` does."""
    kind = _one_of(TagType, attributes.get("type", TagType.RAW), "type of a rule")
    _check_keys(kind, attributes)

    def text(key: str, default: str = "") -> RuleText:
        names = VERSION_NAMES if key == "pattern" and kind in (TagType.SEMVER, TagType.PEP440) else ()
        return rule_text(attributes.get(key, default), (*names, *BUILD_NAMES), render)

    return TagRule(
        kind,
        value=text("value"),
        pattern=text("pattern", "nightly") if kind is not TagType.MATCH else (),
        regex=_regex(attributes.get("pattern" if kind is TagType.MATCH else "match", "")),
        group=_number(attributes, "group", 0),
        branch=_rendered(attributes.get("branch", ""), render),
        event=_one_of(RefKind, attributes.get("event", RefKind.BRANCH), "event of a ref"),
        long=_is_long(attributes.get("format", "short")),
        enable=text("enable", "true"),
        priority=_number(attributes, "priority", PRIORITIES[kind]),
        prefix=text("prefix") if "prefix" in attributes else None,
        suffix=text("suffix") if "suffix" in attributes else None,
    )


def rule_as_text(attributes: Mapping[str, str]) -> str:
    """The rule as a line, for messages."""
    return ",".join(f"{key}={value}" for key, value in attributes.items())


def plain_rule(tag: str) -> TagRule:
    """The rule that always gives `tag`."""
    return TagRule(TagType.RAW, value=(tag,), priority=PRIORITIES[TagType.RAW])


def flavor(values: Mapping[str, Any], render: Render) -> Flavor:
    """The flavor that these values describe."""
    onlatest = tuple(values.get("onlatest") or ())
    return Flavor(
        latest=_one_of(Latest, str(values.get("latest", Latest.AUTO)), "flavor of latest"),
        prefix=rule_text(str(values.get("prefix", "")), BUILD_NAMES, render),
        suffix=rule_text(str(values.get("suffix", "")), BUILD_NAMES, render),
        prefix_on_latest="prefix" in onlatest,
        suffix_on_latest="suffix" in onlatest,
    )


def rule_text(text: str, names: tuple[str, ...], render: Render) -> RuleText:
    """`text` with the rule's own expressions taken apart (`names`, and dates), and all others rendered."""
    if len(text) > _TEXT_LIMIT:
        raise UsageError(f"a text of a rule has at most {_TEXT_LIMIT} characters", hint="a tag has at most 128")
    own: list[Expression] = []
    mark = f"\0{os.urandom(8).hex()}\0"  # holds their places; what nobody can know is in no value of a variable

    def hold(match: re.Match[str]) -> str:
        expression = _own(match[1], names)
        if expression is None:
            return match[0]
        own.append(expression)
        return f"{mark}{len(own) - 1}{mark}"

    rendered = _rendered(_HANDLEBARS.sub(hold, text), render)
    parts = rendered.split(mark)
    return tuple(own[int(part)] if index % 2 else part for index, part in enumerate(parts) if index % 2 or part)


def _own(text: str, names: tuple[str, ...]) -> Expression | None:
    if text in names:
        return Expression(text)
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    form, zone = "", "UTC"
    for is_zone, single, double in _ARGUMENT.findall(match[2]):
        form, zone = (form, single or double) if is_zone else (single or double, zone)
    if not form:
        raise UsageError(f"`{match[1]}` needs a format", hint=f"for example {{{{{match[1]} 'YYYYMMDD'}}}}")
    return Expression(match[1], form, zone)


def _rendered(text: str, render: Render) -> str:
    return render(text) if is_template(text) else text


def _check_keys(kind: TagType, attributes: Mapping[str, str]) -> None:
    known, required = _ATTRIBUTES[kind]
    keys = (*_COMMON, *known)
    for key in attributes:
        if key not in keys:
            hint = did_you_mean(key, keys) or f"there are {', '.join(keys)}"
            if "type" not in attributes:
                hint = "begin with `type=`; between [ ], quote a rule that has commas"
            raise UsageError(f"`{key}` is not an attribute of a rule of type {kind}", hint=hint)
    for key in required:
        # What is raw may come to nothing, and then gives no tag.
        if key not in attributes or (kind is not TagType.RAW and not attributes[key]):
            raise UsageError(f"a rule of type {kind} needs `{key}`", hint=_EXAMPLES[kind])


_EXAMPLES = {
    TagType.SEMVER: "for example `type=semver,pattern={{version}}`",
    TagType.PEP440: "for example `type=pep440,pattern={{version}}`",
    TagType.MATCH: r"for example `type=match,pattern=v(\d+),group=1`",
    TagType.REF: "for example `type=ref,event=branch`",
    TagType.RAW: "for example `type=raw,value=latest`",
}


def _one_of(kinds: type[Kind], text: str, title: str) -> Kind:
    names = [kind.value for kind in kinds]
    if text not in names:
        hint = did_you_mean(text, names) or f"there are {', '.join(names)}"
        raise UsageError(f"`{text}` is no {title}", hint=hint)
    return kinds(text)


def _is_long(text: str) -> bool:
    if text not in ("short", "long"):
        raise UsageError(f"`{text}` is no format of a commit", hint="write short or long")
    return text == "long"


def _number(attributes: Mapping[str, str], key: str, default: int) -> int:
    text = attributes.get(key, str(default))
    if not re.fullmatch(r"-?[0-9]{1,9}", text, re.ASCII):
        raise UsageError(f"`{key}` has to be a whole number, not {text!r}", hint="write digits only")
    return int(text)


def _regex(text: str) -> re.Pattern[str] | None:
    """A regular expression, bare or as `/PATTERN/FLAGS`, with JavaScript's way to name groups; None if there is none."""
    if not text:
        return None
    match = _REGEX.fullmatch(text)
    pattern, letters = (match[1], match[2]) if match else (text, "")
    unknown = [letter for letter in letters if letter not in _FLAGS]
    if unknown:
        raise UsageError(f"the flag {unknown[0]!r} of a pattern is not known", hint=f"there are {', '.join(_FLAGS)}")
    flags = re.ASCII
    for letter in letters:
        flags |= _FLAGS[letter]
    return parse_regex(_NAMED_GROUP.sub("(?P<", pattern), flags, shown=text)
