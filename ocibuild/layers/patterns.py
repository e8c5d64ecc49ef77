"""`include` and `exclude`: patterns with the semantics of gitignore(5), relative to the source.

As in git, the last pattern that matches a path decides, a path that none matches is decided by the directory that holds it, and
nothing below an excluded directory comes back. (The package `pathspec` reads `*`, `!*/`, `!*.txt` otherwise than git does.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
# One step through a pattern. `**` is more than a star only where it stands for whole components.
_STEP = re.compile(
    r"(?P<any_parents>(?<![^/])\*\*/)|(?P<all_below>(?<![^/])\*\*\Z)|(?P<star>\*+)|(?P<one>\?)"
    r"|(?P<set>\[(?P<not>[!^]?)(?P<members>\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\])|\\(?P<escaped>.)|(?P<plain>[^\\\[])",
    re.DOTALL,
)

# A class, or one character, or a range of them.
_MEMBER = re.compile(r"\[:([a-z]+):\]|(\\.|.)(?:-(?!\[:)(\\.|.))?", re.DOTALL)


class Rule(NamedTuple):
    """One line of patterns; `says` is false for one that begins with `!`."""

    regex: re.Pattern[str]
    says: bool
    for_directories: bool


class Standing(NamedTuple):
    """What has been decided about a directory: whether what is in it is asked for, and whether all of it is left out."""

    included: bool
    excluded: bool

    @property
    def is_taken(self) -> bool:
        return self.included and not self.excluded


@dataclass(frozen=True)
class Selection:
    """Which paths of a source are wanted."""

    include: tuple[Rule, ...] = ()
    exclude: tuple[Rule, ...] = ()
    only_included: bool = False

    @cached_property
    def takes_everything(self) -> bool:
        return not self.exclude and not self.only_included

    @property
    def start(self) -> Standing:
        """How the source itself stands."""
        return Standing(not self.only_included, excluded=False)

    def standing(self, path: bytes, parent: Standing, *, is_directory: bool) -> Standing:
        """How `path` stands, in a directory that stands like `parent`."""
        if self.takes_everything or parent.excluded:
            return parent
        text = path.decode("utf-8", "surrogateescape")  # specs are UTF-8, whatever the locale is
        included, excluded = _decide(self.include, text, is_directory), _decide(self.exclude, text, is_directory)
        return Standing(parent.included if included is None else included, bool(excluded))


def selection(include: Sequence[str], exclude: Sequence[str]) -> Selection:
    """The selection of these patterns; no `include` means everything."""
    return Selection(tuple(_rules(include)), tuple(_rules(exclude)), bool(include))


def _decide(rules: tuple[Rule, ...], path: str, is_directory: bool) -> bool | None:
    for rule in reversed(rules):
        if (is_directory or not rule.for_directories) and rule.regex.fullmatch(path):
            return rule.says
    return None


def _rules(lines: Iterable[str]) -> Iterator[Rule]:
    for line in lines:
        pattern = re.sub(r"(?<!\\)((?:\\\\)*) +\Z", r"\1", line.rstrip("\r\n"))
        if not pattern or pattern.startswith("#"):
            continue
        says = not pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        for_directories = pattern.endswith("/")
        pattern = pattern.removesuffix("/")
        anchored = "/" in pattern
        with suppress(re.error):  # git matches a bracket that nothing closes with nothing
            regex = _regex(pattern.removeprefix("/") if anchored else f"**/{pattern}")
            yield Rule(re.compile(regex, re.DOTALL), says, for_directories)


def _regex(pattern: str) -> str:
    """The regular expression of a pattern. re.error for an open bracket or a last backslash.

    Where more stars follow in a component, or more `**/`, the first match of what stands between them is as good as any
    other, so no other is tried (`(?>...)`): what many stars would take without that grows with their number's power.
    """
    first, *others = _split(_steps(pattern), "any_parents")
    between = (f"(?>(?:.*?/)??{_run(run)})" for run in others[:-1])
    last = (f"(?:.*/)?{_run(run)}" for run in others[-1:])
    return "".join((_run(first), *between, *last))


def _steps(pattern: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(pattern):
        step = _STEP.match(pattern, position)
        if step is None:
            raise re.error("unfinished")
        yield step
        position = step.end()


def _split(steps: Iterable[re.Match[str]], kind: str) -> list[list[re.Match[str]]]:
    parts: list[list[re.Match[str]]] = [[]]
    for step in steps:
        if step.lastgroup == kind:
            parts.append([])
        else:
            parts[-1].append(step)
    return parts


def _run(steps: list[re.Match[str]]) -> str:
    first, *others = _split(steps, "star")
    regex = "".join(map(_translated, first))
    for number, piece in enumerate(others, 1):
        fixed = "".join(map(_translated, piece))
        is_last = number == len(others) or any("/" in (step["plain"], step["escaped"]) for step in piece)
        regex += f"[^/]*{fixed}" if is_last else f"(?>[^/]*?{fixed})"
    return regex


def _translated(step: re.Match[str]) -> str:
    match step.lastgroup:
        case "all_below":
            return ".+"
        case "one":
            return "[^/]"
        case "set":
            return _set(step["members"], negated=bool(step["not"]))
        case _:
            return re.escape(step["escaped"] or step["plain"])


def _set(members: str, *, negated: bool) -> str:
    return rf"(?!/)[{'^' if negated else ''}{_MEMBER.sub(_member, members)}]"


def _member(match: re.Match[str]) -> str:
    name, start, end = match.groups()
    if name:
        return _CLASSES.get(name, "")
    ends = [one[-1] for one in (start, end) if one]
    # Of a range that runs backwards, git takes the beginning, which it has looked at before it came to the `-`.
    return "-".join(map(re.escape, ends if ends == sorted(ends) else ends[:1]))
