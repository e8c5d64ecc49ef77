"""Digests: the grammar that makes them safe in paths and URLs, and verification while bytes stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, OcibuildError, UsageError
from ocibuild.oci.digest import Digest, parse_digest, sha256, verified, verify_bytes
from tests.oci import messages
from tests.oci.chunks import cuts

HELLO = b"hello"
HELLO_256 = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
HELLO_512 = (
    "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca7"
    "2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"
)
HEX64 = "0123456789abcdef" * 4

VALID = (
    HELLO_256,
    HELLO_512,
    f"blake3:{HEX64}",
    "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
    "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
    "md5:d41d8cd98f00b204e9800998ecf8427e",
    "a:b",
    "x.y_z-1+2:a=",
    "unknown:" + "x" * 255,
)


@pytest.mark.parametrize("text", VALID)
def test_valid(text: str) -> None:
    assert str(parse_digest(text)) == text


INVALID = {
    "nothing": "",
    "no algorithm": f":{HEX64}",
    "no encoded part": "sha256:",
    "no colon": HEX64,
    "two colons": f"sha256:sha256:{HEX64}",
    "upper case": f"sha256:{HEX64.upper()}",
    "an upper-case algorithm": f"SHA256:{HEX64}",
    "one digit too few": f"sha256:{HEX64[1:]}",
    "one digit too many": f"sha256:{HEX64}0",
    "sha512 with the length of sha256": f"sha512:{HEX64}",
    "blake3 with the length of sha512": f"blake3:{HEX64}{HEX64}",
    "no hexadecimal digit": f"sha256:{HEX64[1:]}g",
    "a trailing newline": f"sha256:{HEX64}\n",
    "a leading blank": f" sha256:{HEX64}",
    "a null byte": f"sha256:{HEX64[1:]}\0",
    "Arabic digits": "sha256:" + "٣" * 64,
    "full-width letters": f"sha256:{HEX64[1:]}\uff41",
    "a Kelvin sign in an unknown algorithm": "\u212a:abc",
    "Arabic digits in an unknown algorithm": "unknown:٣٣",
    "a path upwards": "sha256:../../etc/passwd",
    "a path upwards in the algorithm": f"../x:{HEX64}",
    "an absolute path": "/etc:passwd",
    "dots": "sha256:..",
    "dots in an unknown algorithm": "unknown:..",
    "a separator first": "+sha256:abc",
    "a separator last": "sha256+:abc",
    "two separators": "sha256++b64:abc",
    "a query": "unknown:abc?x=y",
    "a percent escape": "unknown:%2e%2e",
    "a part longer than a file name": "unknown:" + "x" * 256,
    "an algorithm longer than a file name": "x" * 256 + ":abc",
}


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID.keys())
def test_invalid(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_digest(text)
    assert caught.value.hint
    messages.check(caught.value)


def test_the_hint_knows_the_length_of_a_registered_algorithm() -> None:
    with pytest.raises(UsageError) as caught:
        parse_digest(f"sha512:{HEX64}")
    assert caught.value.hint == "sha512 takes exactly 128 lower-case hexadecimal digits"


@given(st.text() | st.from_regex(r"[a-z0-9+._-]{1,5}:[a-zA-Z0-9=_./%-]{1,70}"))
def test_any_text_is_a_digest_or_a_usage_error_and_a_digest_is_one_safe_path(text: str) -> None:
    try:
        digest = parse_digest(text)
    except UsageError as error:
        messages.check(error)
        return
    assert str(digest) == text
    for part in (digest.algorithm, digest.encoded):
        assert part not in ("", ".", "..")
        assert not set(part) & set("/\\\0?#%& \n")


def test_sha256_and_short() -> None:
    assert str(sha256(HELLO)) == HELLO_256
    assert sha256(memoryview(HELLO)) == sha256(bytearray(HELLO)) == parse_digest(HELLO_256)
    assert sha256(HELLO).short == "2cf24dba5fb0"


@pytest.mark.parametrize("text", [HELLO_256, HELLO_512])
def test_right_bytes_verify(text: str) -> None:
    assert verify_bytes(HELLO, parse_digest(text), 5, subject="x") == HELLO


@pytest.mark.parametrize(
    "text", [f"blake3:{HEX64}", "md5:5d41402abc4b2a76b9719d911017c592", "shake128:00", "unknown:x"]
)
def test_an_algorithm_that_cannot_be_verified_is_never_trusted(text: str) -> None:
    with pytest.raises(IntegrityError, match="cannot be verified"):
        verify_bytes(HELLO, parse_digest(text), 5, subject="x")


DAMAGE = {
    "one bit flipped": (b"iello", "x hashes to sha256:"),
    "one byte missing": (b"hell", "x has 4 bytes where its descriptor promises 5"),
    "one byte more": (b"hello!", "x is longer than the 5 bytes its descriptor promises"),
    "nothing": (b"", "x has 0 bytes where its descriptor promises 5"),
}


@pytest.mark.parametrize(("data", "message"), DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("text", [HELLO_256, HELLO_512])
def test_wrong_bytes_are_refused(data: bytes, message: str, text: str) -> None:
    with pytest.raises(IntegrityError, match=message.replace("sha256", text[:6])) as caught:
        verify_bytes(data, parse_digest(text), 5, subject="x")
    assert text in (caught.value.where or ""), "the digest that was expected is named"


def test_the_right_bytes_under_a_wrong_size_are_refused() -> None:
    for size in (0, 4, 6, 2**62):
        with pytest.raises(IntegrityError):
            verify_bytes(HELLO, parse_digest(HELLO_256), size, subject="x")


@given(st.binary(max_size=200), st.data())
def test_any_cutting_into_chunks_passes_through_unchanged(data: bytes, draw: st.DataObject) -> None:
    chunks = draw.draw(cuts(data))
    assert list(verified(chunks, sha256(data), len(data), subject="x")) == chunks


def test_a_stream_that_is_too_long_is_left_at_once() -> None:
    pulled = []

    def endless() -> Iterator[bytes]:
        while True:
            pulled.append(1)
            yield b"x" * 10

    taken: list[bytes] = []
    with pytest.raises(IntegrityError, match="longer than the 25 bytes"):
        taken.extend(verified(endless(), sha256(b"x" * 25), 25, subject="x"))
    assert len(pulled) == 3
    assert len(taken) == 2, "the chunk that is too long is not handed on"


def test_nothing_is_pulled_before_the_consumer_asks_nor_for_an_unverifiable_digest() -> None:
    pulled = []

    def source() -> Iterator[bytes]:
        pulled.append(1)
        yield b""

    verified(source(), sha256(b""), 0, subject="x")
    with pytest.raises(IntegrityError, match="cannot be verified"):
        next(verified(source(), Digest("blake3", HEX64), 0, subject="x"))
    assert not pulled


def test_a_stream_may_be_left_early() -> None:
    stream = verified([b"a", b"b"], sha256(b"ab"), 2, subject="x")
    assert next(stream) == b"a"
    stream.close()  # type: ignore[attr-defined]


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_only_equal_bytes_verify(promised: bytes, given_bytes: bytes) -> None:
    try:
        verify_bytes(given_bytes, sha256(promised), len(promised), subject="x")
    except OcibuildError:
        assert given_bytes != promised
    else:
        assert given_bytes == promised


def test_known_answers_are_those_of_hashlib() -> None:
    assert hashlib.sha256(HELLO).hexdigest() == HELLO_256.partition(":")[2]
    assert hashlib.sha512(HELLO).hexdigest() == HELLO_512.partition(":")[2]
