"""Regular expressions that people write into specs: read with an error of ours, and looked for within a bounded time.

Python's `re` has no limit of its own, and one that was written for it takes years for thirty characters.
"""

from __future__ import annotations

import re
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from ocibuild.errors import UsageError

SECONDS = 2.0
Regex = re.Pattern[str]


def parse_regex(pattern: str, flags: int = 0, *, shown: str | None = None, hint: str = "mend the pattern") -> Regex:
    """The expression. UsageError, which names it as `shown`, if it is none, or one that a later Python reads otherwise."""
    try:
        with warnings.catch_warnings(action="error", category=FutureWarning):
            return re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:
        raise UsageError(f"{shown or pattern!r} is not a regular expression: {error}", hint=hint) from error


def search(regex: Regex, text: str) -> re.Match[str] | None:
    """Its first match in `text`. UsageError after 2 seconds."""
    with _in_time(regex):
        return regex.search(text)


def fits(regex: Regex, text: str) -> bool:
    """Whether all of `text` is a match. UsageError after 2 seconds."""
    with _in_time(regex):
        return regex.fullmatch(text) is not None


@contextmanager
def _in_time(regex: Regex) -> Iterator[None]:
    """Only the main thread hears of a signal, and so nothing is bounded in others: ocibuild looks in the main one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _give_up)
    left = signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *left)
    except _TooLongError as error:
        message = f"looking for {regex.pattern!r} took more than {SECONDS:.0f} seconds"
        raise UsageError(message, hint="repeat nothing that is repeated itself, as in (a+)+") from error
    finally:
        signal.signal(signal.SIGALRM, before)


class _TooLongError(Exception):
    """The time is up."""


def _give_up(*_: object) -> NoReturn:
    raise _TooLongError
