"""File capabilities. The expected bytes are what setcap of libcap 2.66 writes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import UsageError
from ocibuild.spec.capabilities import NAMES, parse_capabilities


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cap_net_bind_service=ep", "01000002 00040000 00000000 00000000 00000000"),
        ("cap_net_raw,cap_net_admin=eip", "01000002 00300000 00300000 00000000 00000000"),
        ("cap_net_raw,cap_net_admin+eip", "01000002 00300000 00300000 00000000 00000000"),
        ("CAP_CHOWN=p", "00000002 01000000 00000000 00000000 00000000"),
        ("cap_bpf=ep", "01000002 00000000 00000000 80000000 00000000"),
        ("cap_checkpoint_restore=i cap_chown=p", "00000002 01000000 00000000 00000000 00010000"),
        ("all=p", "00000002 ffffffff 00000000 ff010000 00000000"),
        ("=ep", "01000002 ffffffff 00000000 ff010000 00000000"),
        ("cap_net_raw=p cap_net_raw=i", "00000002 00000000 00200000 00000000 00000000"),
        ("cap_net_raw=p cap_net_raw+i", "00000002 00200000 00200000 00000000 00000000"),
    ],
)
def test_the_bytes_are_those_of_setcap(text: str, expected: str) -> None:
    assert parse_capabilities(text) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("cap_net_rwa=ep", "did you mean `cap_net_raw`?"),
        ("net_raw=ep", "did you mean `cap_net_raw`?"),
        ("", None),
        ("cap_net_raw", None),
        ("cap_net_raw=x", None),
        ("cap_net_raw=", None),
        ("cap_net_raw=e", None),
        ("cap_net_raw=ep cap_chown=p", None),
        ("cap_net_raw-p", None),
        (",=p", None),
    ],
)
def test_what_is_no_capability(text: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_capabilities(text)
    assert caught.value.hint == hint or (hint is None and caught.value.hint)


@given(st.sets(st.sampled_from(NAMES), min_size=1), st.sampled_from(["p", "i", "ip", "ep", "eip", "ei"]))
def test_each_name_sets_its_own_bit(names: set[str], flags: str) -> None:
    data = parse_capabilities(f"{','.join(sorted(names))}={flags}")
    words = [int.from_bytes(data[start : start + 4], "little") for start in range(0, 20, 4)]
    wanted = sum(1 << NAMES.index(name) for name in names)
    assert len(data) == 20
    assert words[1] | words[3] << 32 == (wanted if "p" in flags else 0)
    assert words[2] | words[4] << 32 == (wanted if "i" in flags else 0)
    assert words[0] == 0x02000000 | ("e" in flags)


@given(st.text(max_size=30))
def test_any_other_text_is_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert len(parse_capabilities(text)) == 20
