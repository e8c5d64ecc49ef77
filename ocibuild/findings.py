"""One diagnostic: what is wrong, where in the user's text or in an image, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

_SHOWN = 3  # of the files that share a fault


class Severity(StrEnum):
    """How much a finding matters: an error stops the release, a warning is worth a look."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Place:
    """Where: a file (or an image's name), with 1-based line and column where they are known.

    `excerpt` is the source line as written; `width` the number of characters that the caret underlines.
    """

    file: str
    line: int | None = None
    column: int | None = None
    excerpt: str | None = None
    width: int = 1

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `rule` is a stable id such as `spec-unknown-key`."""

    rule: str
    message: str
    place: Place | None = None
    hint: str | None = None
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


def met_in(finding: Finding, files: Iterable[str]) -> Finding:
    """A finding that says in which files it was met, if it stands in one that they share: the fault may be of some of them."""
    names = list(dict.fromkeys(files))
    if not names or finding.place is None or finding.place.file in names:
        return finding
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    where = f"met in {', '.join(names[:_SHOWN])}{rest}"
    return replace(finding, hint=f"{finding.hint}; {where}" if finding.hint else where)
