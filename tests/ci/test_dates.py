"""Dates by the tokens of moment.js."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.ci.dates import format_date
from ocibuild.errors import UsageError

MOMENT = datetime(2020, 1, 2, 15, 4, 9, 123456, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2020-01-02T15:04:09.123Z"),
        ("YYYYMMDD.HHmm", "20200102.1504"),
        ("YY M D H h m s", "20 1 2 15 3 4 9"),
        ("MMMM MMM Mo Do DDDo", "January Jan 1st 2nd 2nd"),
        ("DDDD DDD", "002 2"),
        ("dddd ddd dd do d e E", "Thursday Thu Th 4th 4 4 4"),
        ("Q Qo", "1 1st"),
        ("[week] WW W Wo ww w wo GGGG GG", "week 01 1 1st 01 1 1st 2020 20"),
        ("hh:mm a A kk k", "03:04 pm PM 15 15"),
        ("S SS SSSSSS SSSSSSSSS", "1 12 123456 123456000"),
        ("X x", "1577977449 1577977449123"),
        ("Z ZZ z", "+00:00 +0000 UTC"),
        ("[YYYY] T-", "YYYY T-"),
        ("Hmm hmmss", "1504 30409"),
    ],
)
def test_tokens(form: str, text: str) -> None:
    assert format_date(MOMENT, form, "UTC") == text


@pytest.mark.parametrize(
    ("day", "english", "iso"),
    [
        ((2024, 12, 28), "52", "52 2024"),
        ((2024, 12, 29), "1", "52 2024"),
        ((2024, 12, 31), "1", "01 2025"),
        ((2023, 1, 1), "1", "52 2022"),
        ((2022, 12, 31), "53", "52 2022"),
        ((2022, 1, 2), "2", "52 2021"),
    ],
)
def test_weeks_at_the_turn_of_the_year(day: tuple[int, int, int], english: str, iso: str) -> None:
    moment = datetime(*day, tzinfo=UTC)
    assert (format_date(moment, "w", "UTC"), format_date(moment, "WW GGGG", "UTC")) == (english, iso)


@pytest.mark.parametrize("number", range(1, 32))
def test_ordinal_numbers(number: int) -> None:
    endings = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
    assert format_date(datetime(2020, 1, number, tzinfo=UTC), "Do", "UTC") == f"{number}{endings.get(number, 'th')}"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "20200102-1504 +00:00"),
        ("Asia/Tokyo", "20200103-0004 +09:00"),
        ("America/New_York", "20200102-1004 -05:00"),
        ("Asia/Kolkata", "20200102-2034 +05:30"),
    ],
)
def test_time_zones(zone: str, text: str) -> None:
    assert format_date(MOMENT, "YYYYMMDD-HHmm Z", zone) == text


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
def test_time_zones_that_there_are_not(zone: str) -> None:
    with pytest.raises(UsageError, match="there is no time zone"):
        format_date(MOMENT, "YYYY", zone)


@pytest.mark.parametrize("form", ["L", "LTS", "ll", "N", "y", "gggg", "YYYYYY", "Y", "zz"])
def test_what_depends_on_a_language_is_refused_and_not_left_as_it_is(form: str) -> None:
    with pytest.raises(UsageError, match=f"`{form}` of a date is not supported"):
        format_date(MOMENT, form, "UTC")


@settings(deadline=None)
@given(st.integers(0, 230 * 365 * 24 * 3600 * 10**6))
def test_a_date_can_be_read_again(microseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    assert datetime.fromisoformat(format_date(moment, "YYYY-MM-DDTHH:mm:ss.SSSSSSZ", "UTC")) == moment
    assert moment - timedelta(days=int(format_date(moment, "DDD", "UTC")) - 1, hours=moment.hour) <= moment
    assert format_date(moment, "w", "UTC") == _week_by_counting(moment)


def _week_by_counting(moment: datetime) -> str:
    """Weeks begin on Sunday; the first is that of the first of January: the number of Sundays since then, and one."""
    saturday = moment + timedelta(days=6 - moment.isoweekday() % 7)
    return str((saturday.timetuple().tm_yday - 1) // 7 + 1)
