"""Byte ranges, against what RFC 9110 14 and distribution-spec say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.server.ranges import UnsatisfiableError, chunk_range, received_range, requested_range

SIZES = st.integers(0, 40)
POSITIONS = st.integers(0, 60)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=500-1499", range(500, 1500)),
        ("bytes=500-", range(500, 2048)),
        ("bytes=-500", range(1548, 2048)),
        ("bytes=-5000", range(2048)),
        ("bytes=2000-5000", range(2000, 2048)),
        ("Bytes = 7-7", range(7, 8)),
        ("bytes=0-9223372036854775807", range(2048)),
        # What is not understood is answered with all.
        (None, None),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1-2,4-5", None),
        ("items=0-1", None),
        ("bytes=+1-2", None),
        ("bytes=\u0663-\u0664", None),
        (f"bytes={'9' * 100}-", None),
    ],
)
def test_ranges_of_a_download(header: str | None, expected: range | None) -> None:
    assert requested_range(header, 2048) == expected


@pytest.mark.parametrize("header", ["bytes=2048-", "bytes=5000-10000", "bytes=500-0", "bytes=-0"])
def test_ranges_that_hold_no_byte(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        requested_range(header, 2048)


@given(size=SIZES, first=POSITIONS, last=POSITIONS)
def test_a_closed_range_gives_what_a_slice_does(size: int, first: int, last: int) -> None:
    data = bytes(range(size))
    expected = data[first : last + 1]
    try:
        positions = requested_range(f"bytes={first}-{last}", size)
    except UnsatisfiableError:
        assert expected == b""
    else:
        assert positions is not None
        assert data[positions.start : positions.stop] == expected != b""


@given(size=SIZES, count=POSITIONS)
def test_open_ranges_give_what_slices_do(size: int, count: int) -> None:
    data = bytes(range(size))
    for header, expected in ((f"bytes={count}-", data[count:]), (f"bytes=-{count}", data[-count:] if count else b"")):
        try:
            positions = requested_range(header, size)
        except UnsatisfiableError:
            assert expected == b""
        else:
            assert positions is not None
            assert data[positions.start : positions.stop] == expected != b""


@given(st.text(), SIZES)
def test_no_header_does_harm(header: str, size: int) -> None:
    try:
        positions = requested_range(header, size)
    except UnsatisfiableError:
        return
    assert positions is None or 0 <= positions.start < positions.stop <= size


@given(POSITIONS, POSITIONS)
def test_a_chunk_says_where_it_begins_and_ends(first: int, last: int) -> None:
    assert chunk_range(f"{first}-{last}") == (range(first, last + 1) if first <= last else None)


@pytest.mark.parametrize(
    "header", ["", "1", "1-", "-1", "bytes 0-9/10", "bytes=0-9", "0-9 ", "0-9/10", "\u0660-\u0669", "-1-2"]
)
def test_other_spellings_of_a_chunks_range_are_refused(header: str) -> None:
    assert chunk_range(header) is None


@pytest.mark.parametrize(("size", "expected"), [(0, "0-0"), (1, "0-0"), (2, "0-1"), (1000, "0-999")])
def test_what_an_upload_has(size: int, expected: str) -> None:
    assert received_range(size) == expected
