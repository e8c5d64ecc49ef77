"""`WWW-Authenticate`: what a registry asks for (RFC 9110 11.6.1). Never raises: a field is anybody's text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))', re.ASCII | re.DOTALL)
# A scheme may be followed by one token68 (RFC 9110 11.2), such as Negotiate's, whose padding looks like a parameter's `=`.
_SCHEME = re.compile(rf"({_WORD})(?:[ \t]+[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$)))?", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LIMIT = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme (lower case) and its parameters (names lower case; the first of equal names counts)."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(fields: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges in all fields, in order; what cannot be read is left out."""
    return tuple(challenge for text in fields for challenge in _parse(text[:_LIMIT]))


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The first challenge that we can meet: Bearer (which needs a realm) before Basic."""
    offered = tuple(challenges)
    bearer = (each for each in offered if each.scheme == "bearer" and each.parameters.get("realm"))
    basic = (each for each in offered if each.scheme == "basic")
    return next(bearer, None) or next(basic, None)


def _parse(text: str) -> Iterator[Challenge]:
    scheme: str | None = None
    parameters: dict[str, str] = {}
    position = 0
    while position < len(text):
        if match := _PARAMETER.match(text, position):
            name, quoted, plain = match.groups()
            parameters.setdefault(name.lower(), plain if quoted is None else _ESCAPE.sub(r"\1", quoted))
        elif match := _SCHEME.match(text, position):
            if scheme is not None:
                yield Challenge(scheme, parameters)
            scheme, parameters = match[1].lower(), {}
        position = match.end() if match else position + 1
    if scheme is not None:
        yield Challenge(scheme, parameters)
