"""What the terminal is and what it may be shown: colour and redrawing are two questions."""

from __future__ import annotations

import os
import sys

_CODES = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36, "dim": 2}


def has_colour() -> bool:
    """Whether stderr takes colour: NO_COLOR wins, then FORCE_COLOR, then whether it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def can_redraw() -> bool:
    """Whether lines on stderr may be drawn over: on a terminal only, and never in CI, whatever colour is forced."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def in_github() -> bool:
    """Whether stderr is the log of a GitHub workflow, which knows commands for groups and annotations."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def paint(text: str, colour: str, *, bold: bool = False) -> str:
    """`text` in a colour, where stderr takes it."""
    if not has_colour():
        return text
    return f"\x1b[{'1;' if bold else ''}{_CODES[colour]}m{text}\x1b[0m"
