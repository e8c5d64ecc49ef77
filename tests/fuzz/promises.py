"""What every target asks for: one of the errors that it names and no other, in words that can be shown."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ocibuild.errors import FindingsError, OcibuildError
from ocibuild.findings import Finding

_LONGEST = 3000  # characters of a message, whatever it quotes


@contextmanager
def refused_with(*kinds: type[Exception]) -> Iterator[None]:
    """What is done within succeeds or raises one of `kinds`."""
    try:
        yield
    except kinds as error:
        _check_words(error)


def _check_words(error: Exception) -> None:
    if isinstance(error, FindingsError):
        assert error.findings
        for finding in error.findings:
            check_finding(finding)
    elif isinstance(error, OcibuildError):
        assert error.what.strip()
        for text in (error.what, error.where or "", error.hint or ""):
            assert len(text) < _LONGEST, text


def check_finding(finding: Finding) -> None:
    assert finding.place is not None
    assert finding.message.strip()
    assert finding.message.isprintable(), finding.message
    assert len(finding.message) < _LONGEST


@cache
def directory() -> Path:
    """Where inputs become files."""
    path = tempfile.mkdtemp(prefix="fuzz-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


def as_file(raw: bytes, name: str) -> Path:
    """`raw` as the file `name`, alone in its directory."""
    path = directory() / f"of {name}" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw)
    return path
