"""A hash that goes on from where another one was left."""

from __future__ import annotations

import hashlib
import os
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.oci import resumable
from ocibuild.oci.resumable import STATE_SIZE, Sha256, can_resume
from ocibuild.store import writeback

PIECES = st.binary(max_size=200)


@pytest.fixture(autouse=True, params=["with states", "without"])
def states(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether this Python has an OpenSSL that gives states."""
    if request.param == "without":
        monkeypatch.setattr(resumable, "can_resume", lambda: False)
    elif not can_resume() and os.environ.get("CI") != "true":
        pytest.skip("this Python's OpenSSL cannot be reached, or is none")
    return bool(request.param == "with states")


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_it_is_sha_256(kind: type[bytes | bytearray]) -> None:
    @given(st.lists(st.binary(max_size=200)))
    def holds(pieces: list[bytes]) -> None:
        hasher = Sha256()
        for piece in pieces:
            hasher.update(kind(piece))
        assert hasher.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()

    holds()


def test_a_state_leads_to_the_same_hash_as_all_that_came_before_it(states: bool) -> None:
    @given(PIECES, PIECES, PIECES)
    def holds(first: bytes, second: bytes, rest: bytes) -> None:
        begun = Sha256()
        begun.update(first)
        assert len(begun.state()) == (STATE_SIZE if states else 0)
        if states:
            resumed = Sha256(begun.state())
            resumed.update(second)
            again = Sha256(resumed.state())
            again.update(rest)
            assert again.hexdigest() == hashlib.sha256(first + second + rest).hexdigest()

    holds()


def test_the_count_of_bits_may_exceed_32_of_them(states: bool) -> None:
    hasher, expected, piece = Sha256(), hashlib.sha256(), bytes(1 << 24)
    for _ in range(40):  # 640 MiB
        hasher.update(piece)
        expected.update(piece)
    if states:
        hasher = Sha256(hasher.state())
    hasher.update(b"end")
    expected.update(b"end")
    assert hasher.hexdigest() == expected.hexdigest()


def test_a_library_that_keeps_its_states_otherwise_is_not_used(states: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lead from its own states to the right hash; another one would be misled by them."""
    monkeypatch.setattr(resumable, "_START", bytes(STATE_SIZE))
    if states:
        assert not can_resume.__wrapped__()


@pytest.mark.parametrize("wrong", [OSError, AttributeError, ImportError])
def test_a_library_that_is_not_as_expected_is_not_used(
    wrong: type[Exception], states: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise wrong

    monkeypatch.setattr(resumable, "_library", refuse)
    if states:
        assert not can_resume.__wrapped__()


@pytest.mark.parametrize("fields", ["=4x8I2I64sI", "=8I2I4x64sI", "=8I2I64s4xI", "=8I4x2I64sI"])
def test_a_structure_of_another_shape_is_not_used(fields: str, states: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "_FIELDS", struct.Struct(fields))
    if states:
        assert not can_resume.__wrapped__()


def test_a_python_without_ctypes_hashes_all_the_same(states: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_ctypes", None)
    monkeypatch.delitem(sys.modules, "ctypes", raising=False)
    if states:
        assert not can_resume.__wrapped__()
        assert writeback._sync_file_range.__wrapped__() is None
