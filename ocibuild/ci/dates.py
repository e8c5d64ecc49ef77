"""Dates by the tokens of moment.js, which tag rules format them with: `YYYYMMDD`, `[week] WW`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ocibuild.errors import UsageError

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def format_date(moment: datetime, form: str, zone: str) -> str:
    """`moment` in the time zone, each token of `form` replaced; text in [ ] and letters that are no tokens stay.

    UsageError for a time zone that the system does not know, and for the tokens that depend on a language or an era.
    """
    there = moment.astimezone(_zone(zone))
    return _TOKEN.sub(lambda match: _replaced(match[0], there), form)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # where the system has no data of time zones, too
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"there is no time zone {name!r} here", hint="name one such as UTC or Europe/Berlin"
        ) from error


def _replaced(token: str, moment: datetime) -> str:
    if token.startswith("["):
        return token[1:-1]
    if token.startswith("S"):  # parts of a second, as many digits as there are letters
        return f"{moment.microsecond:06}".ljust(len(token), "0")[: len(token)]
    if token not in _TOKENS:
        raise UsageError(
            f"`{token}` of a date is not supported", hint=f"there are {', '.join(_TOKENS)}, and text in [ ]"
        )
    return _TOKENS[token](moment)


def _ordinal(number: int) -> str:
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _offset(moment: datetime, separator: str) -> str:
    digits = moment.strftime("%z")
    return f"{digits[:3]}{separator}{digits[3:5]}"


def _weekday(moment: datetime) -> int:
    return moment.isoweekday() % 7


def _week(moment: datetime) -> int:
    """Of the year that the English calendar has: weeks begin on Sunday, and the first holds the first of January."""
    first = moment.replace(month=1, day=1)
    ends_next_year = moment.month == 12 and moment.day - _weekday(moment) > 25
    return 1 if ends_next_year else (moment.timetuple().tm_yday - 1 + _weekday(first)) // 7 + 1


def _hour(moment: datetime) -> int:
    return moment.hour % 12 or 12


_TOKENS: Mapping[str, Callable[[datetime], str]] = {
    "YYYY": lambda t: f"{t.year:04}",
    "YY": lambda t: f"{t.year % 100:02}",
    "Qo": lambda t: _ordinal((t.month + 2) // 3),
    "Q": lambda t: str((t.month + 2) // 3),
    "MMMM": lambda t: _MONTHS[t.month - 1],
    "MMM": lambda t: _MONTHS[t.month - 1][:3],
    "MM": lambda t: f"{t.month:02}",
    "Mo": lambda t: _ordinal(t.month),
    "M": lambda t: str(t.month),
    "DDDo": lambda t: _ordinal(t.timetuple().tm_yday),
    "DDDD": lambda t: f"{t.timetuple().tm_yday:03}",
    "DDD": lambda t: str(t.timetuple().tm_yday),
    "DD": lambda t: f"{t.day:02}",
    "Do": lambda t: _ordinal(t.day),
    "D": lambda t: str(t.day),
    "dddd": lambda t: _DAYS[_weekday(t)],
    "ddd": lambda t: _DAYS[_weekday(t)][:3],
    "dd": lambda t: _DAYS[_weekday(t)][:2],
    "do": lambda t: _ordinal(_weekday(t)),
    "d": lambda t: str(_weekday(t)),
    "e": lambda t: str(_weekday(t)),
    "E": lambda t: str(t.isoweekday()),
    "GGGG": lambda t: f"{t.isocalendar().year:04}",
    "GG": lambda t: f"{t.isocalendar().year % 100:02}",
    "ww": lambda t: f"{_week(t):02}",
    "wo": lambda t: _ordinal(_week(t)),
    "w": lambda t: str(_week(t)),
    "Wo": lambda t: _ordinal(t.isocalendar().week),
    "WW": lambda t: f"{t.isocalendar().week:02}",
    "W": lambda t: str(t.isocalendar().week),
    "HH": lambda t: f"{t.hour:02}",
    "H": lambda t: str(t.hour),
    "hh": lambda t: f"{_hour(t):02}",
    "h": lambda t: str(_hour(t)),
    "kk": lambda t: f"{t.hour or 24:02}",
    "k": lambda t: str(t.hour or 24),
    "A": lambda t: "AM" if t.hour < 12 else "PM",
    "a": lambda t: "am" if t.hour < 12 else "pm",
    "mm": lambda t: f"{t.minute:02}",
    "m": lambda t: str(t.minute),
    "ss": lambda t: f"{t.second:02}",
    "s": lambda t: str(t.second),
    "z": lambda t: t.strftime("%Z"),
    "ZZ": lambda t: _offset(t, ""),
    "Z": lambda t: _offset(t, ":"),
    "X": lambda t: str(int(t.timestamp())),
    "x": lambda t: f"{int(t.timestamp())}{t.microsecond // 1000:03}",
}
# What moment.js takes for tokens besides: localized formats, eras, years of weeks, long years.
_REFUSED = ("LTS?", "L{1,4}", "l{1,4}", "N{1,5}", "y{1,4}o?", "gg(?:ggg?)?", "GGGGG", "Y{5,6}", "zz")
_TOKEN = re.compile("|".join((r"\[[^\]]*\]", "S{1,9}", *_REFUSED, *sorted(_TOKENS, key=len, reverse=True), "Y")))
