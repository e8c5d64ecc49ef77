"""WWW-Authenticate in all its shapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.registry.challenge import Challenge, choose, parse_challenges

BEARER = Challenge("bearer", {"realm": "https://r/token", "service": "r"})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (['Bearer realm="https://r/token",service="r"'], [BEARER]),
        (['bEaReR   realm = "https://r/token" , service=r'], [BEARER]),
        (['Bearer realm="https://r/token",service="r", Basic realm="x"'], [BEARER, Challenge("basic", {"realm": "x"})]),
        (['Basic realm="x", Bearer realm="https://r/token",service="r"'], [Challenge("basic", {"realm": "x"}), BEARER]),
        (['Basic realm="x"', 'Bearer realm="https://r/token",service="r"'], [Challenge("basic", {"realm": "x"}), BEARER]),
        (["Negotiate", 'Basic realm="x"'], [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})]),
        (["Negotiate YII=, Basic realm=x"], [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})]),
        (['Bearer realm="a,b=\\"c\\" \\\\d",scope="x y"'], [Challenge("bearer", {"realm": 'a,b="c" \\d', "scope": "x y"})]),
        (['Bearer REALM="1",realm="2"'], [Challenge("bearer", {"realm": "1"})]),
        (["Basic"], [Challenge("basic", {})]),
        (['Bearer realm="unfinished'], [Challenge("bearer", {}), Challenge("realm", {}), Challenge("unfinished", {})]),
        (["", " , ,, ", '=""', "\x00\xff"], []),
    ],
)  # fmt: skip
def test_fields_are_taken_apart(fields: list[str], expected: list[Challenge]) -> None:
    assert list(parse_challenges(fields)) == expected


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        (['Basic realm="x"', 'Bearer realm="https://r/token"'], "bearer"),
        (['Bearer service="no realm"', "Basic"], "basic"),
        (["Negotiate", "Digest realm=x"], None),
        ([], None),
    ],
)
def test_bearer_is_chosen_before_basic_and_others_are_skipped(fields: list[str], scheme: str | None) -> None:
    chosen = choose(parse_challenges(fields))
    assert (chosen.scheme if chosen else None) == scheme


@given(st.lists(st.text(alphabet=st.sampled_from('aB="\\, \t\n=;\x00é/'), max_size=60), max_size=4))
def test_no_text_makes_the_parser_fail(fields: list[str]) -> None:
    for challenge in parse_challenges(fields):
        assert challenge.scheme == challenge.scheme.lower()


def test_a_hostile_field_is_read_in_linear_time() -> None:
    assert len(parse_challenges(["a" * 10**6, 'Bearer x="' + "\\" * 10**6, "=" * 10**6])) <= 4
