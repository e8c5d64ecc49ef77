"""Platforms: spelling, sameness, selectors, and the choice among what an index offers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.oci.platform import Platform, choose, parse_platform, platform_from_json, selects
from tests.oci import messages

SPELLINGS = {
    "linux/amd64": "linux/amd64",
    "linux/arm64/v8": "linux/arm64/v8",
    "windows/amd64": "windows/amd64",
    "linux/arm/v6": "linux/arm/v6",
    "linux/riscv64": "linux/riscv64",
    "Linux/AMD64": "linux/amd64",
    "linux/x86_64": "linux/amd64",
    "linux/x86-64": "linux/amd64",
    "linux/aarch64": "linux/arm64",
    "linux/AArch64/V8": "linux/arm64/v8",
    "linux/arm64/8": "linux/arm64/v8",
    "linux/arm/7": "linux/arm/v7",
    "linux/armhf": "linux/arm/v7",
    "linux/armel": "linux/arm/v6",
    "linux/armel/v5": "linux/arm/v5",
    "linux/i386": "linux/386",
    "linux/mips64le": "linux/mips64le",
    "linux/amd64/v3": "linux/amd64/v3",
}


@pytest.mark.parametrize(("text", "canonical"), SPELLINGS.items())
def test_spellings(text: str, canonical: str) -> None:
    platform = parse_platform(text)
    assert str(platform) == canonical
    assert parse_platform(str(platform)) == platform


NOTHING = ("", "linux", "linux/", "/amd64", "linux//v8", "linux/arm64/", "linux/arm/v7/x", "a/" * 999)
STRANGE = ("linux/arm 64", "linux/amd64\n", "l\u00efnux/amd64", "linux/\u212a", "linux/\x1b[31m")
OTHERWISE = ("linux/*", "linux/amd64:10.0", "linux/amd64,linux/arm64")


@pytest.mark.parametrize("text", [*NOTHING, *STRANGE, *OTHERWISE])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(UsageError, match="is not a platform") as caught:
        parse_platform(text)
    assert caught.value.hint
    messages.check(caught.value)


@given(st.text() | st.text("aA6/.-_*\n", max_size=12))
def test_any_text_is_a_platform_or_a_usage_error(text: str) -> None:
    try:
        platform = parse_platform(text)
    except UsageError as error:
        messages.check(error)
        return
    assert parse_platform(str(platform)) == platform


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/amd64", "linux/amd64/v1"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm/v6"),
    ],
)
def test_same(one: str, other: str) -> None:
    assert parse_platform(one).is_same_as(parse_platform(other))
    assert parse_platform(other).is_same_as(parse_platform(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm64", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v6"),
        ("linux/arm64", "linux/arm/v8"),
        ("linux/amd64", "linux/amd64/v3"),
        ("linux/amd64", "windows/amd64"),
        ("linux/amd64", "linux/386"),
        ("linux/amd64", "unknown/unknown"),
    ],
)
def test_not_same(one: str, other: str) -> None:
    assert not parse_platform(one).is_same_as(parse_platform(other))
    assert not parse_platform(other).is_same_as(parse_platform(one))


def test_a_foreign_document_may_use_an_alias() -> None:
    written = platform_from_json({"os": "Linux", "architecture": "aarch64", "variant": "8"})
    assert str(written) == "Linux/aarch64/8", "kept as written"
    assert parse_platform("linux/arm64").is_same_as(written)


def test_a_version_of_windows_matters_only_where_it_is_asked_for() -> None:
    old, new = (Platform("windows", "amd64", os_version=version) for version in ("10.0.17763.1", "10.0.20348.1"))
    asked = parse_platform("windows/amd64")
    assert asked.is_same_as(old)
    assert asked.is_same_as(new)
    assert new.is_same_as(new)
    assert not new.is_same_as(old)
    assert not new.is_same_as(asked)


@pytest.mark.parametrize(
    ("pattern", "platform", "expected"),
    [
        ("linux/*", "linux/amd64", True),
        ("linux/*", "windows/amd64", False),
        ("*/amd64", "linux/amd64", True),
        ("*", "linux/arm/v7", True),
        ("linux", "linux/arm/v7", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64/v8", "linux/arm64/v9", False),
        ("linux/arm", "linux/arm64", False),
        ("linux/arm*", "linux/arm64", True),
        ("linux/arm/v7", "linux/arm", True),
        ("linux/arm/v6", "linux/arm", False),
        ("linux/arm/*", "linux/arm/v6", True),
        ("linux/aarch64", "linux/arm64", True),
        ("linux/armhf", "linux/arm/v7", True),
        ("linux/armhf", "linux/arm/v6", False),
        ("linux/386/*", "linux/386", True),
        ("Linux/AMD64", "linux/amd64", True),
        ("linux/[ax]*", "linux/amd64", True),
        ("", "linux/amd64", False),
    ],
)
def test_selectors(pattern: str, platform: str, expected: bool) -> None:
    assert selects(pattern, parse_platform(platform)) is expected


UNKNOWN = Platform("unknown", "unknown")
ALPINE = [
    Platform("linux", "amd64"),
    UNKNOWN,
    Platform("linux", "arm", "v6"),
    UNKNOWN,
    Platform("linux", "arm", "v7"),
    UNKNOWN,
    Platform("linux", "arm64", "v8"),
    UNKNOWN,
    Platform("linux", "386"),
    Platform("linux", "riscv64"),
]
DEBIAN = [Platform("linux", "arm", "v5"), Platform("linux", "arm", "v7"), Platform("linux", "arm64", "v8")]
LEVELS = [Platform("linux", "amd64", "v3"), Platform("linux", "amd64", "v2"), Platform("linux", "amd64")]
WINDOWS = [
    Platform("windows", "amd64", os_version="10.0.26100.1742"),
    Platform("windows", "amd64", os_version="10.0.20348.2700", os_features=("win32k",)),
    Platform("windows", "amd64", os_version="10.0.17763.6293"),
    Platform("linux", "amd64"),
]
ATTESTATIONS_FIRST = [UNKNOWN, UNKNOWN, Platform("linux", "amd64")]


@pytest.mark.parametrize(
    ("wanted", "offered", "place"),
    [
        ("linux/amd64", ALPINE, 0),
        ("linux/arm64", ALPINE, 6),
        ("linux/arm64/v8", ALPINE, 6),
        ("linux/arm", ALPINE, 4),
        ("linux/arm/v6", ALPINE, 2),
        ("linux/i386", ALPINE, 8),
        ("linux/arm/v5", ALPINE, None),
        ("linux/s390x", ALPINE, None),
        ("linux/arm", DEBIAN, 1),
        ("linux/arm", DEBIAN[:1], 0),
        ("linux/arm/v6", DEBIAN, None),
        ("linux/amd64", LEVELS, 2),
        ("linux/amd64/v1", LEVELS, 2),
        ("linux/amd64", LEVELS[:2], 0),
        ("linux/amd64/v2", LEVELS, 1),
        ("linux/amd64/v4", LEVELS, None),
        ("windows/amd64", WINDOWS, 0),
        ("linux/amd64", WINDOWS, 3),
        ("linux/amd64", ATTESTATIONS_FIRST, 2),
        ("linux/arm64", ATTESTATIONS_FIRST, None),
        ("linux/amd64", [], None),
    ],
)
def test_choice(wanted: str, offered: list[Platform], place: int | None) -> None:
    chosen = choose(parse_platform(wanted), iter(offered))
    assert chosen is (None if place is None else offered[place])


def test_a_version_of_windows_is_chosen_exactly() -> None:
    assert choose(Platform("windows", "amd64", os_version="10.0.17763.6293"), WINDOWS) is WINDOWS[2]
    assert choose(Platform("windows", "amd64", os_version="10.0.17763.1"), WINDOWS) is None


def test_of_equals_the_first_is_chosen() -> None:
    twins = [Platform("linux", "arm64", "v8"), Platform("linux", "arm64")]
    assert choose(parse_platform("linux/arm64"), twins) is twins[0]
    assert choose(parse_platform("linux/arm64/v8"), twins[::-1]) is twins[1]


def test_platforms_sort_with_and_without_variant() -> None:
    expected = [
        Platform("linux", "amd64"),
        Platform("linux", "arm"),
        Platform("linux", "arm", "v6"),
        *sorted(WINDOWS[:3]),
    ]
    shuffled = random.Random(1).sample(expected, len(expected))
    assert sorted(shuffled) == expected
    assert min(WINDOWS[:3]).os_version == "10.0.17763.6293"


FULL = {"os": "windows", "architecture": "amd64", "variant": "v1", "os.version": "10.0.1", "os.features": ["win32k"]}


def test_json_round_trip() -> None:
    assert platform_from_json(FULL) == Platform("windows", "amd64", "v1", "10.0.1", ("win32k",))
    assert platform_from_json(FULL).to_json() == FULL
    assert Platform("linux", "amd64").to_json() == {"os": "linux", "architecture": "amd64"}


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_text_are_absence(nothing: str | None) -> None:
    absent = dict.fromkeys(("variant", "os.version"), nothing) | {"os.features": None}
    assert platform_from_json({"os": "linux", "architecture": "amd64", **absent}) == Platform("linux", "amd64")
    assert platform_from_json(dict.fromkeys(("os", "architecture"), nothing)) == Platform("", "")
    assert platform_from_json({}) == Platform("", "")


@pytest.mark.parametrize("value", [0, 1, True, False, 1.5, ["linux"], [], {"a": "b"}, {}])
@pytest.mark.parametrize("name", ["os", "architecture", "variant", "os.version", "os.features"])
def test_members_of_another_type_are_refused(name: str, value: object) -> None:
    if name == "os.features" and isinstance(value, list):
        value = [*value, 1]
    with pytest.raises(IntegrityError, match=f"^{name} of the platform of x is not ") as caught:
        platform_from_json({**FULL, name: value}, subject="the platform of x")
    messages.check(caught.value)


def test_unknown_members_are_passed_over() -> None:
    assert platform_from_json({**FULL, "features": ["sse4"], "x": {}}) == platform_from_json(FULL)
