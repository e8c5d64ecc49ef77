"""Paths as text: those of sources, which stay inside the spec's directory, and those in the image. UsageError for others."""

from __future__ import annotations

import re
from typing import NamedTuple

from ocibuild.errors import UsageError

_WILDCARD = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
_ESCAPED = re.compile(r"\\([*?\[\]\\])")
_WHITEOUT = ".wh."


class Pattern(NamedTuple):
    """A source with wildcards: the directory before the first of them, and the rest as a gitignore pattern."""

    directory: str
    pattern: str


def parse_source(text: str) -> str:
    """A path relative to the spec's directory, normalised; `.` for the directory itself."""
    _check_characters(text)
    if text.startswith("/"):
        raise UsageError(
            f"{text!r} is an absolute path",
            hint="write it relative to the directory of the spec, which holds all sources",
        )
    parts = [part for part in text.split("/") if part not in ("", ".")]
    return "/".join(_without_dots(parts, text)) or "."


def parse_pattern(text: str) -> Pattern | None:
    """The two parts of a source with wildcards, None for one without. `\\*` is a star and no wildcard."""
    parts = text.split("/")
    first = next((index for index, part in enumerate(parts) if _WILDCARD.search(part)), None)
    if first is None:
        return None
    rest = [part for part in parts[first:] if part not in ("", ".")]
    if ".." in rest:
        raise UsageError(f"{text!r} has `..` after a wildcard", hint="name the directory itself")
    return Pattern(parse_source(unescape("/".join(parts[:first])) or "."), "/" + "/".join(rest))


def unescape(text: str) -> str:
    """A source whose wildcards are escaped, as the name that is meant."""
    return _ESCAPED.sub(r"\1", text)


def parse_target(text: str) -> str:
    """An absolute path in the image, normalised, without a slash at the end."""
    _check_characters(text)
    if not text.startswith("/"):
        raise UsageError(f"{text!r} is not an absolute path", hint="paths in the image begin with /")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UsageError(f"{text!r} has `..` in it", hint="write the path that is meant")
    whiteout = next((part for part in parts if part.startswith(_WHITEOUT)), None)
    if whiteout is not None:
        raise UsageError(
            f"no image can hold the name {whiteout!r}: `.wh.` marks what a layer removes",
            hint="use `remove` or `replace` to take away what lower layers have",
        )
    return "/" + "/".join(parts)


def is_directory_form(text: str) -> bool:
    """Whether a path in the image says by its end that a directory is meant."""
    return text.endswith(("/", "/."))


def _without_dots(parts: list[str], text: str) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if part != "..":
            kept.append(part)
        elif kept:
            kept.pop()
        else:
            raise UsageError(
                f"{text!r} leaves the directory of the spec", hint="put the spec above everything that it copies"
            )
    return kept


def _check_characters(text: str) -> None:
    if not text:
        raise UsageError(
            "this path is empty", hint="write `.` for the directory of the spec, `/` for the top of the image"
        )
    if "\0" in text:
        raise UsageError("this path has a NUL character", hint="no name of a file can hold one")
