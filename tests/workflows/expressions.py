"""GitHub's expressions, as far as the action and the workflows of our pages use them; anything else is an error.

GitHub documentation, "Evaluate expressions in workflows and actions": literals, contexts, operators, functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(\|\||&&|==|!=|[!()\[\].,])|'((?:[^']|'')*)'|(\d+)|([A-Za-z_][\w-]*))")
_INSERTED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_LITERALS = {"true": True, "false": False, "null": None}


def insert(text: str, contexts: Mapping[str, Any]) -> str:
    """`text` with all `${{ }}` in it filled in."""
    return _INSERTED.sub(lambda match: as_text(evaluate(match[1], contexts)), text)


def holds(condition: str | bool | None, contexts: Mapping[str, Any], *, failed: bool) -> bool:
    """What an `if:` comes to. One that does not ask how the job stands holds only where nothing has failed."""
    text = as_text(condition) if condition is not None else "success()"
    text = match[1] if (match := _INSERTED.fullmatch(text.strip())) else text
    asks = re.search(r"\b(?:always|failure|success|cancelled)\(\)", text)
    return _is_true(evaluate(text if asks else f"success() && ({text})", contexts, failed=failed))


def evaluate(text: str, contexts: Mapping[str, Any], *, failed: bool = False) -> Any:
    """The value of an expression."""
    parser = _Parser(text, contexts, failed=failed)
    value = parser.alternatives()
    assert parser.at_end, f"not understood: {text!r}"
    return value


def as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_true(value: Any) -> bool:
    return value not in (None, "", False, 0)


def _tokens(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        assert match, f"not understood: {text[at:]!r}"
        at = match.end()
        sign, string, number, name = match.groups()
        if string is not None:
            found.append(("value", string.replace("''", "'")))
        else:
            found.append(("value", int(number)) if number else ("sign", sign) if sign else ("name", name))
    return found


class _Parser:
    """Recursive descent; every operand is evaluated, since none of them does anything."""

    def __init__(self, text: str, contexts: Mapping[str, Any], *, failed: bool) -> None:
        self._tokens = _tokens(text)
        self._contexts = contexts
        self._functions: dict[str, Callable[..., Any]] = {
            "always": lambda: True,
            "success": lambda: not failed,
            "failure": lambda: failed,
            "startsWith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
            "contains": lambda text, part: as_text(part).lower() in as_text(text).lower(),
            "format": lambda text, *values: re.sub(r"\{(\d)\}", lambda match: as_text(values[int(match[1])]), text),
        }

    @property
    def at_end(self) -> bool:
        return not self._tokens

    def _take(self, *signs: str) -> str | None:
        if self._tokens and self._tokens[0][0] == "sign" and self._tokens[0][1] in signs:
            return str(self._tokens.pop(0)[1])
        return None

    def alternatives(self) -> Any:
        value = self._all()
        while self._take("||"):
            other = self._all()
            value = value if _is_true(value) else other
        return value

    def _all(self) -> Any:
        value = self._comparison()
        while self._take("&&"):
            other = self._comparison()
            value = other if _is_true(value) else value
        return value

    def _comparison(self) -> Any:
        value = self._operand()
        while sign := self._take("==", "!="):
            is_same = as_text(value).lower() == as_text(self._operand()).lower()
            value = is_same == (sign == "==")
        return value

    def _operand(self) -> Any:
        if self._take("!"):
            return not _is_true(self._operand())
        if self._take("("):
            value = self.alternatives()
            assert self._take(")")
            return value
        kind, value = self._tokens.pop(0)
        if kind == "value":
            return value
        assert kind == "name", value
        if self._take("("):
            return self._functions[value](*self._arguments())
        if value in _LITERALS:
            return _LITERALS[value]
        return self._member(self._contexts[value])

    def _arguments(self) -> list[Any]:
        values: list[Any] = []
        while not self._take(")"):
            values.append(self.alternatives())
            self._take(",")
        return values

    def _member(self, value: Any) -> Any:
        while sign := self._take(".", "["):
            key = self._tokens.pop(0)[1] if sign == "." else self.alternatives()
            assert sign == "." or self._take("]")
            value = value.get(key) if isinstance(value, Mapping) else None
        return value
