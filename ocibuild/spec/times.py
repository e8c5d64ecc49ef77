"""Times and durations as text. UsageError for what is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ocibuild.errors import UsageError

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s)", re.ASCII)
_NANOSECONDS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000}
LATEST = 253_402_300_799  # the last second of the year 9999, where RFC 3339 ends
_HINT = "write it as in 2024-01-31T12:00:00Z"


def parse_time(text: str) -> int:
    """Seconds since the epoch of a date and time of RFC 3339, in whole seconds, from 1970 on."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a time of RFC 3339", hint=_HINT)
    if (match[7] or "0").strip("0"):
        raise UsageError(f"{text!r} has a fraction of a second", hint="times in images are in whole seconds")
    try:
        moment = datetime.fromisoformat(f"{text[:10]}T{text[11:19]}+00:00")
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time: {error}", hint=_HINT) from error
    return _in_range(int(moment.timestamp()) - _offset(match, text), text)


def parse_seconds(text: str) -> int:
    """Seconds since the epoch, in decimal."""
    if not _SECONDS.fullmatch(text):
        raise UsageError(f"{text!r} is not a number of seconds since 1970")
    return _in_range(int(text), text)


def parse_mtime(text: str) -> int:
    """Seconds since the epoch, of either form."""
    return parse_seconds(text) if _SECONDS.fullmatch(text) else parse_time(text)


def format_time(seconds: int) -> str:
    """RFC 3339 in UTC: the one form that documents carry."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration such as 30s or 1m30s. Docker takes none between 0 and 1 ms."""
    pieces = _DURATION.findall(text)
    if not pieces or len(text) > 32 or "".join(number + unit for number, unit in pieces) != text:
        raise UsageError(f"{text!r} is not a duration", hint="write it as in 30s, 500ms or 1m30s")
    total = sum(_nanoseconds(number, _NANOSECONDS[unit]) for number, unit in pieces)
    if 0 < total < 1_000_000 or total >= 1 << 63:
        raise UsageError(f"{text!r} is not a duration that Docker takes", hint="the shortest is 1ms")
    return total


def _nanoseconds(number: str, unit: int) -> int:
    whole, _, fraction = number.partition(".")
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def _offset(match: re.Match[str], text: str) -> int:
    if match[8] is None:
        return 0
    hours, minutes = int(match[9]), int(match[10])
    if hours > 23 or minutes > 59:
        raise UsageError(f"{text!r} has no such offset from UTC", hint=_HINT)
    return (hours * 3600 + minutes * 60) * (-1 if match[8] == "-" else 1)


def _in_range(seconds: int, text: str) -> int:
    if not 0 <= seconds <= LATEST:
        raise UsageError(f"{text!r} is not between 1970 and 9999", hint="times in images begin with 1970")
    return seconds
