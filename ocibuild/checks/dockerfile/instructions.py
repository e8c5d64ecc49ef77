"""Dockerfile text -> instructions: directives, comments, continuations and here-documents, each character with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ocibuild.checks.dockerfile.words import QuoteError, Text, split_words
from ocibuild.findings import Place

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.*?)\s*")
_HEREDOC = re.compile(r"[0-9]*<<(-?)([^<]+)")
_WITH_HEREDOCS = re.compile(r"(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; `name` is in upper case."""

    name: str
    arguments: Text
    line: int


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A file under the name that findings give it. `escape` is the character that continues lines and takes meaning away."""

    name: str
    lines: tuple[str, ...]
    escape: str
    instructions: tuple[Instruction, ...]

    def place(self, text: Text, line: int) -> Place:
        """Where `text` stands; the instruction's line if it is empty."""
        first = text.places[0] if text.places else (line, 1)
        on_line = sum(1 for each in text.places if each[0] == first[0])
        return Place(self.name, first[0], first[1], self.lines[first[0] - 1], max(on_line, 1))


def parse_dockerfile(name: str, text: str) -> Dockerfile:
    """The instructions of a file; what is no instruction comes out as one of an unknown name."""
    lines = tuple(re.split("\r\n|\n|\r", text.removeprefix("\ufeff")))
    escape = _escape(lines)
    return Dockerfile(name, lines, escape, tuple(_instructions(lines, escape)))


def _escape(lines: tuple[str, ...]) -> str:
    """What `# escape=` says, which counts only before anything that is no directive."""
    for line in lines:
        found = _DIRECTIVE.fullmatch(line.strip())
        if found is None:
            break
        if found[1].lower() == "escape" and found[2] in ("\\", "`"):
            return found[2]
    return "\\"


def _instructions(lines: tuple[str, ...], escape: str) -> Iterator[Instruction]:
    number = 0
    while number < len(lines):
        if _is_blank(lines[number]):
            number += 1
            continue
        start, number, whole = number, *_joined(lines, number, escape)
        found = re.match(r"\s*(\S+)\s*", whole.chars)
        if found is None:  # nothing but the sign that a line goes on
            continue
        instruction = Instruction(found[1].upper(), whole.slice(found.end(), len(whole.chars)), start + 1)
        yield instruction
        number = _after_heredocs(lines, number, instruction)


def _is_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _joined(lines: tuple[str, ...], number: int, escape: str) -> tuple[int, Text]:
    """The number of the line after the instruction that begins at `number`, and all of its characters."""
    chars: list[str] = []
    places: list[tuple[int, int]] = []
    while number < len(lines):
        line = lines[number]
        number += 1
        if chars and _is_blank(line):  # comments and empty lines inside an instruction are passed over
            continue
        body = line.rstrip()
        # BuildKit takes two of them for a character that goes on no line.
        continues = body.endswith(escape) and not body.endswith(escape * 2)
        body = body[: -len(escape)] if continues else line
        chars.append(body)
        places += ((number, column) for column in range(1, len(body) + 1))
        if not continues:
            break
    return number, Text("".join(chars), tuple(places))


def _after_heredocs(lines: tuple[str, ...], number: int, instruction: Instruction) -> int:
    """The number of the line after the here-documents of an instruction that ends before line `number`."""
    for end, strips_tabs in _heredocs(instruction):
        while number < len(lines) and (lines[number].lstrip("\t") if strips_tabs else lines[number]) != end:
            number += 1
        number += 1
    return number


def _heredocs(instruction: Instruction) -> Iterator[tuple[str, bool]]:
    """The line that ends each here-document, and whether tabs before it do not count. Only whole words begin one: `$((1<<2))`
    does not, nor does the form that is a JSON list."""
    whole = f"{instruction.name} {instruction.arguments.chars}"
    with_documents = _WITH_HEREDOCS.match(whole)
    if "<<" not in whole or not with_documents or whole[with_documents.end() :].lstrip().startswith("["):
        return
    try:
        words = [word.chars for word in split_words(instruction.arguments, "\\")]
    except QuoteError:
        return
    for word, following in pairwise((*words, "")):
        found = _HEREDOC.fullmatch(word + following if word.endswith("<<") else word)
        if found:
            yield re.sub("[\"']", "", found[2]), bool(found[1])
