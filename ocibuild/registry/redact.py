"""What may be shown of requests and replies: no secret, no control character, no endless text."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Everything else in a query may be a signature or a token (ggcr `internal/redact`).
_PUBLIC_PARAMETERS = frozenset({"scope", "service", "mount", "from", "digest", "n", "last"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+")


def redact_url(url: str) -> str:
    """`url` without user name and password, and with the values of all but a few query parameters hidden."""
    try:
        parts = urlsplit(printable(url, limit=2000))
    except ValueError:
        return "an unreadable address"
    place = parts.netloc.rpartition("@")[2]
    query = "&".join(_redacted(pair) for pair in parts.query.split("&")) if parts.query else ""
    scheme = f"{parts.scheme}://" if parts.netloc else ""
    return f"{scheme}{place}{parts.path}{'?' if query else ''}{query}"


def printable(text: str, limit: int = 500) -> str:
    """`text` on one line of at most about `limit` characters; control characters and bidirectional marks are escaped."""
    line = _CONTROL.sub(_escaped, " ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else f"{line[:limit]}..."


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode()


def _redacted(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return pair if name in _PUBLIC_PARAMETERS or not equals else f"{name}=REDACTED"
