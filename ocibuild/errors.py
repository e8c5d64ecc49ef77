"""Every error that ocibuild raises on purpose, in one tree. Each ends the command with its own exit code.

OcibuildError
├── FindingsError       1  the input was read and judged: here are the findings
│   └── SpecError       2  the spec is invalid: all its findings at once
├── UsageError          2  a reference, option or argument cannot mean anything
├── BuildError          3  a source, a local file or the disk failed
│   ├── SourceError     3  something that was to become a layer cannot
│   │   └── TarError    3  a tar is damaged, or holds what no layer can
│   └── StoreError      3  a layout, an archive or the cache cannot be read or written
├── RegistryError       4  a registry refused, or the network failed
│   ├── NotFoundError   4  the registry or the store has no such image, tag or blob
│   └── NetworkError    4  no answer, a cut connection, a timeout
├── AuthError           5  not logged in, or not allowed
└── IntegrityError      6  bytes, sizes or documents are not what was promised
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from ocibuild.findings import Finding

_QUOTE_LIMIT = 160


def quoted(value: object) -> str:
    """`value` as a message may show what came from outside: on one line, no control characters, not endless."""
    text = repr(value)
    return text if len(text) <= _QUOTE_LIMIT else f"{text[:_QUOTE_LIMIT]}..."


class OcibuildError(Exception):
    """One thing that went wrong: `what` it is, `where` it was met, and how to mend it (`hint`); one line each."""

    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint


class TarDefect(Enum):
    """In what way a tar is no layer."""

    DAMAGED = "damaged"
    CUT_SHORT = "cut short"
    NO_END = "no end"
    GOES_ON = "goes on"
    SPARSE = "sparse"
    UNKNOWN_KIND = "unknown kind"


class UsageError(OcibuildError):
    """A reference, option or argument cannot mean anything."""

    exit_code = 2


class FindingsError(OcibuildError):
    """An image or a spec was read and breaks rules; nothing was sent. Each finding has its own place and hint."""

    exit_code = 1

    def __init__(self, what: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(what)
        self.findings = findings


class SpecError(FindingsError):
    """A spec that is no plan, with all that is wrong in it."""

    exit_code = 2


class BuildError(OcibuildError):
    """Building failed on this machine: a file, the disk, a source."""

    exit_code = 3


class SourceError(BuildError):
    """Something that was to become part of a layer cannot."""


class TarError(SourceError):
    """A tar archive that is damaged, or holds what no layer can; `defect` says which of these it is."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        defect: TarDefect = TarDefect.DAMAGED,
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.defect = defect


class StoreError(BuildError):
    """A layout, an archive or the cache cannot be read or written."""


class RegistryError(OcibuildError):
    """A registry refused. `status` is the HTTP status, `codes` are the registry's own error codes."""

    exit_code = 4

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        codes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.status = status
        self.codes = codes


class NotFoundError(RegistryError):
    """There is no such image, tag or blob at the place that was asked."""


class NetworkError(RegistryError):
    """No answer, a connection that broke, or a time limit."""


class AuthError(RegistryError):
    """Not logged in, or not allowed."""

    exit_code = 5


class IntegrityError(OcibuildError):
    """A digest, a size or a document is not what was promised."""

    exit_code = 6
