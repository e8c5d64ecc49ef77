"""Times and durations."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import UsageError
from ocibuild.spec.times import LATEST, format_time, parse_duration, parse_mtime, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-02-29T12:30:15Z", 1709209815),
        ("2024-02-29t12:30:15z", 1709209815),
        ("2024-02-29T14:30:15+02:00", 1709209815),
        ("2024-02-29T07:00:15-05:30", 1709209815),
        ("2024-02-29T12:30:15.000Z", 1709209815),
        ("9999-12-31T23:59:59Z", LATEST),
    ],
)
def test_times_of_rfc_3339(text: str, seconds: int) -> None:
    assert parse_time(text) == parse_mtime(text) == seconds


def test_seconds_are_a_time_for_files() -> None:
    assert parse_mtime("0") == 0
    assert parse_mtime("1709209815") == 1709209815


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2024-02-30T00:00:00Z", "2024-02-29", "2024-02-29T12:30:15", "2024-02-29 12:30:15Z"),
        *("2024-02-29T12:30:15.5Z", "2024-02-29T12:30:60Z", "2024-02-29T24:00:00Z", "1969-12-31T23:59:59Z"),
        *(
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-00:01",
            "1970-01-01T00:00:00+25:00",
        ),
        *("٢٠٢٤-02-29T12:30:15Z", "-1", "99999999999999", "1e3", "2024-02-29T12:30:15Z\n"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mtime(text)
    assert caught.value.hint or "seconds" in caught.value.what


@given(st.integers(0, LATEST))
def test_documents_carry_one_form(seconds: int) -> None:
    text = format_time(seconds)
    assert parse_time(text) == seconds
    assert text == datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("30s", 30_000_000_000),
        ("1m30s", 90_000_000_000),
        ("500ms", 500_000_000),
        ("1.5s", 1_500_000_000),
        ("1h0m0s", 3_600_000_000_000),
        ("0s", 0),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "30", "s", "30 s", "30sec", "-1s", "0.1ms", "1d", "9999999999h", "1s" * 40])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)
