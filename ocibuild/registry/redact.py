"""What may be shown of requests and replies: no secret, no control character, no endless text."""

from __future__ import annotations

from urllib.parse import urlsplit

# Everything else in a query may be a signature or a token (ggcr `internal/redact`).
_PUBLIC_PARAMETERS = frozenset({"scope", "service", "mount", "from", "digest", "n", "last"})


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
    words = " ".join(text[: 4 * limit].split())
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)
    return line if len(line) <= limit else f"{line[:limit]}..."


def _redacted(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return pair if name in _PUBLIC_PARAMETERS or not equals else f"{name}=REDACTED"
