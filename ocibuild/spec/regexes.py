"""Regular expressions that people write into specs."""

from __future__ import annotations

import re
import warnings

from ocibuild.errors import UsageError


def parse_regex(
    pattern: str, flags: int = 0, *, shown: str | None = None, hint: str = "mend the pattern"
) -> re.Pattern[str]:
    """The expression. UsageError, which names it as `shown`, if it is none, or one that a later Python reads otherwise."""
    try:
        with warnings.catch_warnings(action="error", category=FutureWarning):
            return re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:
        raise UsageError(f"{shown or pattern!r} is not a regular expression: {error}", hint=hint) from error
