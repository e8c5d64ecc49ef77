"""The text of a spec or of a template, and the places in it."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from ocibuild.errors import SpecError
from ocibuild.findings import Finding, Place
from ocibuild.plan import Origin

SIZE_LIMIT = 1 << 20
EXCERPT_LIMIT = 1000  # characters of a line that is shown with a finding
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what YAML 1.1 takes for the end of a line
# Said in this way round, it compiles ten times faster than as "not one of those that YAML allows".
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source: offsets in characters, the end not included.

    It knows its source, since a document may be merged from several (`extends`).
    """

    start: int
    end: int
    source: Source = field(repr=False)

    @property
    def place(self) -> Place:
        """Where it begins, with the line it stands in; the caret ends with that line at the latest."""
        return self.source.place(self)

    @property
    def origin(self) -> Origin:
        """Where it begins, as plans remember it."""
        return self.source.origin(self)

    @property
    def text(self) -> str:
        """What stands there."""
        return self.source.text[self.start : self.end]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A text under the name that messages use for it. `line_starts` are offsets in characters."""

    name: str
    text: str
    line_starts: tuple[int, ...]

    def span(self, start: int, end: int) -> Span:
        """A stretch of this source."""
        return Span(start, end, self)

    def place(self, span: Span) -> Place:
        """Where `span` begins, with the line it stands in; the caret ends with that line at the latest."""
        number = self._line_of(span.start)
        start, end = self.line_starts[number], self._line_end(number)
        width = min(span.end, end) - span.start
        # A line of a megabyte helps nobody, and a thousand findings in it would hold it a thousand times.
        excerpt = self.text[start:end] if end - start <= EXCERPT_LIMIT else None
        return Place(self.name, number + 1, span.start - start + 1, excerpt, max(width, 1))

    def origin(self, span: Span) -> Origin:
        """Where `span` begins, as plans remember it."""
        number = self._line_of(span.start)
        return Origin(self.name, number + 1, span.start - self.line_starts[number] + 1)

    def beside(self, path: str) -> str:
        """The name of a file that this one names by its `path`: without detours, links are not followed for that."""
        return os.path.normpath(os.path.join(os.path.dirname(self.name), path))

    def line_start(self, line: int) -> int:
        """The offset at which a (1-based) line begins; the last one for lines beyond the end."""
        return self.line_starts[min(line, len(self.line_starts)) - 1]

    def _line_of(self, offset: int) -> int:
        return bisect_right(self.line_starts, offset) - 1

    def _line_end(self, number: int) -> int:
        if number + 1 == len(self.line_starts):
            return len(self.text)
        end = self.line_starts[number + 1] - 1
        return end - self.text.startswith("\r\n", end - 1)


def source_of(name: str, text: str) -> Source:
    """`text` under `name`, as it is."""
    return Source(name, text, (0, *(match.end() for match in _BREAK.finditer(text))))


def decode(name: str, raw: bytes) -> Source:
    """The text that `raw` holds. SpecError unless it is UTF-8 of at most 1 MiB without control characters.

    A byte order mark at the very beginning is dropped.
    """
    if len(raw) > SIZE_LIMIT:
        raise _refuse("spec-too-large", f"the file is larger than {SIZE_LIMIT >> 20} MiB", Place(name))
    try:
        source = source_of(name, raw.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise _not_utf8(name, raw, error.start) from error
    if match := _FORBIDDEN.search(source.text):
        raise _refuse(
            "spec-control-character",
            f"the file holds the character U+{ord(match[0]):04X}, which no text file should",
            source.span(*match.span()).place,
            'write it as an escape in double quotes, such as "\\x07", or remove it',
        )
    return source


def read_source(path: Path) -> Source:
    """The text of the spec at `path`. SpecError where there is none to be had."""
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError as error:
        hint = "check its name; it is relative to where you are, or to the spec that names it"
        raise _refuse("spec-not-found", "there is no such file", Place(str(path)), hint) from error
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        raise _refuse("spec-unreadable", f"the file cannot be read: {reason}", Place(str(path))) from error
    return decode(str(path), raw)


def _not_utf8(name: str, raw: bytes, offset: int) -> SpecError:
    utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    message = "the file is UTF-16, not UTF-8" if utf16 else f"the byte 0x{raw[offset]:02x} is not UTF-8"
    source = source_of(name, raw.decode(errors="replace"))
    before = len(raw[:offset].decode())
    return _refuse("spec-not-utf8", message, source.span(before, before + 1).place, "save the file as UTF-8")


def _refuse(rule: str, message: str, place: Place, hint: str | None = None) -> SpecError:
    return SpecError(message, (Finding(rule, message, place, hint),))
