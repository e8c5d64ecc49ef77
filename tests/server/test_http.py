"""Heads and bodies of requests: where they end, and what is refused because it is not clear where."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.server.framing import Body, BrokenBodyError, FramingError, body_length
from ocibuild.server.heads import Head, HeadError, read_head


def head_of(text: str) -> Head:
    return read_head(io.BytesIO(text.encode("latin-1")))


def test_a_head() -> None:
    head = head_of(
        "PUT /v2/a%2Fb/x?digest=sha256%3Aab&tag=1&tag=2&empty= HTTP/1.1\r\nHost: h:1\r\nx-y:  z \r\n\r\nrest"
    )
    assert (head.method, head.path) == ("PUT", "/v2/a/b/x")
    assert head.query == {"digest": ["sha256:ab"], "tag": ["1", "2"], "empty": [""]}
    assert head.headers == {"host": "h:1", "x-y": "z"}
    assert not head.is_last
    assert not head.expects_continue


@pytest.mark.parametrize(
    ("target", "path"),
    [("/v2/", "/v2/"), ("//v2/x", "//v2/x"), ("http://host:5000/v2/x?n=1", "/v2/x"), ("*", "*"), ("/%c3%a9", "/é")],
)
def test_targets(target: str, path: str) -> None:
    assert head_of(f"GET {target} HTTP/1.1\n\n").path == path


@pytest.mark.parametrize(
    ("text", "is_last"),
    [
        ("GET / HTTP/1.1\r\n\r\n", False),
        ("GET / HTTP/1.1\r\nConnection: keep-alive, Close\r\n\r\n", True),
        ("GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", False),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", False),
    ],
)
def test_which_request_is_the_last(text: str, is_last: bool) -> None:
    assert head_of(text).is_last == is_last


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("get / HTTP/1.1\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 400),
        ("\x16\x03\x01\x02\n\n", 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n" + "a: b\r\n" * 200 + "\r\n", 431),
        ("GET / HTTP/1.1\r\na: " + "b" * 70_000 + "\r\n\r\n", 431),
        ("GET /" + "a" * 70_000 + " HTTP/1.1\r\n\r\n", 431),
    ],
)
def test_heads_that_are_refused(text: str, status: int) -> None:
    with pytest.raises(HeadError) as caught:
        head_of(text)
    assert caught.value.status == status


@pytest.mark.parametrize("target", ["/%ff", "http://[x/", "/?" + "&".join("a=b" for _ in range(200))])
def test_targets_that_are_refused(target: str) -> None:
    head = head_of(f"GET {target} HTTP/1.1\r\n\r\n")
    with pytest.raises(HeadError):
        _ = head.path, head.query


@given(st.binary(max_size=300))
def test_no_head_does_harm(raw: bytes) -> None:
    try:
        head = read_head(io.BytesIO(raw + b"\r\n\r\n"))
        assert isinstance(head.path, str)
        assert isinstance(head.query, dict)
    except HeadError:
        pass


@pytest.mark.parametrize(
    ("lengths", "encodings", "expected"),
    [((), (), 0), (("12",), (), 12), ((), ("chunked",), None), ((), (" Chunked",), None)],
)
def test_the_length_of_a_body(lengths: tuple[str, ...], encodings: tuple[str, ...], expected: int | None) -> None:
    assert body_length(lengths, encodings) == expected


@pytest.mark.parametrize(
    ("lengths", "encodings"),
    [
        (("1", "1"), ()),
        (("1, 1",), ()),
        (("-1",), ()),
        (("+1",), ()),
        (("0x1",), ()),
        (("",), ()),
        (("9" * 50,), ()),
        (("1",), ("chunked",)),
        ((), ("gzip",)),
        ((), ("gzip, chunked",)),
        ((), ("chunked", "chunked")),
    ],
)
def test_lengths_that_two_readers_might_understand_differently(
    lengths: tuple[str, ...], encodings: tuple[str, ...]
) -> None:
    with pytest.raises(FramingError):
        body_length(lengths, encodings)


def whole(body: Body) -> bytes:
    return b"".join(bytes(piece) for piece in body.pieces())


@given(st.lists(st.binary(min_size=1, max_size=50)), st.binary(max_size=20))
def test_chunks_are_put_together_and_what_follows_stays(chunks: list[bytes], following: bytes) -> None:
    framed = b"".join(b"%x;name=value\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    stream = io.BytesIO(framed + b"0\r\nTrailer: x\r\n\r\n" + following)
    body = Body(stream, None)
    assert whole(body) == b"".join(chunks)
    assert body.is_finished
    assert stream.read() == following


@given(st.binary(max_size=50), st.binary(max_size=20))
def test_a_body_of_known_length_ends_there(data: bytes, following: bytes) -> None:
    stream = io.BytesIO(data + following)
    body = Body(stream, len(data))
    assert whole(body) == data
    assert body.is_finished
    assert stream.read() == following


@pytest.mark.parametrize(
    "raw",
    [b"", b"5", b"5\r\nab", b"5\r\nabcde", b"5\r\nabcdeXX0\r\n\r\n", b"x\r\n", b"-5\r\nabcde\r\n", b"0\r\n", b"0\r\nA: b\r\n",
     b"f" * 16 + b"\r\n", b"5" + b" " * 2000 + b"\r\n", b"0\r\n" + b"a: b\r\n" * 200 + b"\r\n"],
)  # fmt: skip
def test_broken_chunks(raw: bytes) -> None:
    with pytest.raises(BrokenBodyError):
        whole(Body(io.BytesIO(raw), None))


def test_a_body_that_is_cut() -> None:
    with pytest.raises(BrokenBodyError):
        whole(Body(io.BytesIO(b"abc"), 5))


@pytest.mark.parametrize("length", [10, None])
def test_a_body_with_a_limit(length: int | None) -> None:
    raw = b"x" * 10 if length else b"a\r\nxxxxxxxxxx\r\n0\r\n\r\n"
    assert Body(io.BytesIO(raw), length).read_at_most(10) == b"x" * 10
    assert Body(io.BytesIO(raw), length).read_at_most(9) is None


def test_somebody_is_told_before_the_body_is_read() -> None:
    told: list[str] = []
    body = Body(io.BytesIO(b"ab"), 2, lambda: told.append("now"))
    assert body.is_untouched
    assert told == []
    assert whole(body) == b"ab"
    assert told == ["now"]
    assert whole(Body(io.BytesIO(), 0, lambda: told.append("again"))) == b""
    assert told == ["now"]
