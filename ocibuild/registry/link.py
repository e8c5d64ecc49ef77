"""`Link`: where a list goes on (RFC 8288). Never raises: a field is anybody's text."""

from __future__ import annotations

import re
from collections.abc import Iterable

# A target, and its parameters up to the comma before the next one; a quoted text may hold commas.
_LINK = re.compile(r'<([^<>]*)>((?:[ \t]*;[ \t]*[^,;"<>]*(?:"[^"]*")?)*)')
_NEXT = re.compile(r';[ \t]*rel[ \t]*=[ \t]*(?:next(?![^ \t;])|"(?:[^"]*[ \t])?next(?:[ \t][^"]*)?")', re.IGNORECASE)
_LIMIT = 8192


def next_link(fields: Iterable[str]) -> str:
    """The target that is called the next page; empty where there is none."""
    links = (match for text in fields for match in _LINK.finditer(text[:_LIMIT]))
    return next((match[1] for match in links if _NEXT.search(match[2])), "")
