"""A reply that is not what was hoped for, as a value: status, the registry's codes and words (distribution-spec, "Error Codes")."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ocibuild.registry.challenge import parse_challenges
from ocibuild.registry.exchange import Reply, UnreachableError, read_at_most
from ocibuild.registry.redact import printable, redact_url

_BODY_LIMIT = 64 * 1024
_CODES_LIMIT = 16


@dataclass(frozen=True, slots=True)
class Refusal:
    """`text` is the server's own words, safe to show; `grant_error` what a challenge says about the token that was sent;
    `anonymous` that none was; `storage` is the other host that refused, where the registry had sent us there."""

    method: str
    url: str
    status: int
    codes: tuple[str, ...] = ()
    text: str = ""
    retry_after: str | None = None
    date: str | None = None
    grant_error: str | None = None
    anonymous: bool = False
    storage: str | None = None

    @property
    def place(self) -> str:
        """The request that was refused, for a message."""
        return f"{self.method} {redact_url(self.url)}"


class RefusedError(Exception):
    """A request came to a reply that its caller cannot use."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.place}: {refusal.status} {refusal.text}")
        self.refusal = refusal


def refused(
    method: str, url: str, reply: Reply, *, anonymous: bool = False, storage: str | None = None
) -> RefusedError:
    """The exception for `reply`, which is read (64 KiB of it) and closed. `anonymous`: nobody was named in the request."""
    try:
        body = read_at_most(reply, _BODY_LIMIT)
    except UnreachableError:  # the status says enough
        body = b""
    finally:
        reply.close()
    codes, text = _read_body(body, reply.header("Content-Type") or "")
    challenges = parse_challenges(reply.header_values("WWW-Authenticate"))
    return RefusedError(
        Refusal(
            method=method,
            url=url,
            status=reply.status,
            codes=codes,
            text=text,
            retry_after=reply.header("Retry-After"),
            date=reply.header("Date"),
            grant_error=next(
                (printable(c.parameters["error"], 80) for c in challenges if "error" in c.parameters), None
            ),
            anonymous=anonymous,
            storage=storage,
        )
    )


def _read_body(body: bytes, content_type: str) -> tuple[tuple[str, ...], str]:
    text = body.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # A proxy's page is of no use to anybody but its author.
        is_page = "html" in content_type or text.lstrip().startswith("<")
        return (), "" if is_page else printable(text)
    entries = [entry for entry in _entries(document) if isinstance(entry, dict)][:_CODES_LIMIT]
    codes = tuple(printable(entry["code"].upper(), 80) for entry in entries if isinstance(entry.get("code"), str))
    return codes, printable("; ".join(text for entry in entries if (text := _entry_text(entry))))


def _entries(document: Any) -> Iterator[Any]:
    """The list of the spec; else what other software in its place says (`{"message": ...}`, `{"error": ...}`)."""
    if not isinstance(document, dict):
        return
    errors = document.get("errors")
    yield from errors if isinstance(errors, list) else (document,)


def _entry_text(entry: dict[str, Any]) -> str:
    words = (_string(entry, name) for name in ("message", "error_description", "error", "details"))
    message, detail = next(filter(None, words), ""), _string(entry, "detail")
    if detail and detail not in message:
        return f"{message} ({detail})" if message else detail
    return message or _string(entry, "code")


def _string(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
