"""Words of a Dockerfile as the builder understands them: quotes, escapes, and variables with their defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Variables = Mapping[str, str | None]  # None: known by name, and a value that only a build gives
_NAME = re.compile(r"[^\W\d]\w*|[0-9@*#?!$-]")
# What is longer or nested deeper is not worked out: variables that hold each other twice would fill any memory.
_LONGEST, _DEEPEST = 1 << 20, 50
_MODIFIED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*)|([#%/,^@].*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Text:
    """Characters of a Dockerfile, continued lines joined; `places` has line and column (from 1) of each of them."""

    chars: str
    places: tuple[tuple[int, int], ...]

    def slice(self, start: int, end: int) -> Text:
        return Text(self.chars[start:end], self.places[start:end])


class QuoteError(Exception):
    """A quote that nothing closes."""


def split_words(text: Text, escape: str) -> Iterator[Text]:
    """The words of `text`, their quotes kept: blanks inside quotes, and escaped ones, part none. QuoteError."""
    start, quote, position = None, "", 0
    chars = text.chars
    while position < len(chars):
        char = chars[position]
        if start is None:
            if char.isspace():
                position += 1
                continue
            start = position
        if char == escape and quote != "'":
            position += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char.isspace():
            yield text.slice(start, position)
            start = None
        position += 1
    if quote:
        raise QuoteError
    if start is not None:
        yield text.slice(start, len(chars))


def expand(word: str, escape: str, variables: Variables, depth: int = 0) -> str | None:
    """What `word` means: quotes and escapes resolved, variables filled in. None where that is not known before a build."""
    out: list[str] = []
    quote, position, length = "", 0, 0
    while position < len(word):
        char = word[position]
        if char == quote:
            quote = ""
        elif char in "\"'" and not quote:
            quote = char
        elif char == escape and quote != "'":
            position += 1
            out.append(_escaped(word, position, escape, quote))
        elif char == "$" and quote != "'":
            value, position = _variable(word, position, escape, variables, depth)
            length += len(value or "")
            if value is None or length > _LONGEST:
                return None
            out.append(value)
            continue
        else:
            out.append(char)
        position += 1
    return "".join(out)


def _escaped(word: str, position: int, escape: str, quote: str) -> str:
    char = word[position : position + 1]
    # Inside double quotes only these lose their meaning; before anything else the escape is a character like others.
    return escape + char if quote and char not in ('"', "$", escape) else char


def _variable(word: str, position: int, escape: str, variables: Variables, depth: int) -> tuple[str | None, int]:
    """The value of the variable at `position`, and where the word goes on."""
    if word.startswith("${", position):
        end = _closing_brace(word, position + 2)
        if end is None or depth == _DEEPEST:
            return None, len(word)
        return _modified(word[position + 2 : end], escape, variables, depth + 1), end + 1
    found = _NAME.match(word, position + 1)
    if found is None:
        return "$", position + 1
    return variables.get(found[0]), found.end()


def _closing_brace(word: str, position: int) -> int | None:
    depth = 1
    for index in range(position, len(word)):
        depth += (word.startswith("${", index)) - (word[index] == "}")
        if depth == 0:
            return index
    return None


def _modified(inside: str, escape: str, variables: Variables, depth: int) -> str | None:
    found = _MODIFIED.fullmatch(inside)
    if found is None or found[4]:
        return None
    name, operator, argument = found[1], found[2], found[3] or ""
    if operator is None:
        return variables.get(name)
    if name in variables and variables[name] is None:
        # A build may give it; what stands here as its default is what it is without that.
        return expand(argument, escape, variables, depth) if operator in (":-", "-") else None
    value = variables.get(name)
    is_set = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("-"):
        return value if is_set else expand(argument, escape, variables, depth)
    if operator.endswith("+"):
        return expand(argument, escape, variables, depth) if is_set else ""
    return value if is_set else None
