"""Our own JSON is canonical; foreign JSON is read strictly (image-spec considerations.md, RFC 7493)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.oci.codec import MANIFEST_LIMIT, decode_object, encode
from tests.oci import messages

text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=20
)
objects = st.dictionaries(text, values, max_size=5)


@given(objects)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    assert decode_object(encode(document), subject="x") == document


@given(objects)
def test_the_bytes_do_not_depend_on_the_order_of_names(document: dict[str, Any]) -> None:
    backwards = dict(reversed(document.items()))
    assert encode(backwards) == encode(document)


@given(objects)
def test_reading_and_writing_again_changes_no_byte(document: dict[str, Any]) -> None:
    raw = encode(document)
    assert encode(decode_object(raw, subject="x")) == raw


def test_canonical_form() -> None:
    assert (
        encode({"b": [1, None, True], "a": "é\n\u2028", "B": {}})
        == '{"B":{},"a":"é\\n\u2028","b":[1,null,true]}'.encode()
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_written_that_json_lacks(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": number})


def test_text_that_is_not_utf_8_is_not_written() -> None:
    undecodable = b"caf\xe9".decode("utf-8", "surrogateescape")  # as os.environ and os.listdir give it
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        encode({"config": {"Labels": {"title": undecodable}}})
    assert "caf\\udce9" in caught.value.what
    messages.check(caught.value)


REFUSED = {
    "nothing": b"",
    "no object": b"[]",
    "a bare null": b"null",
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "an overlong form": b'{"a": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "a lone high surrogate": rb'{"a": "\ud800"}',
    "a lone low surrogate in a name": rb'{"\udfff": 1}',
    "a lone surrogate deep down": rb'{"a": [{"b": ["\uDabc"]}]}',
    "a name twice": b'{"a": 1, "a": 1}',
    "a name twice deep down": b'{"a": [{"b": 1, "b": 2}]}',
    "a name twice, once escaped": rb'{"a": 1, "\u0061": 2}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "a float beyond double precision": b'{"a": 1e999}',
    "a negative float beyond double precision": b'{"a": [-1.0E+309]}',
    "an int of 30 digits": b'{"a": ' + b"9" * 30 + b"}",
    "an int of a million digits": b'{"a": ' + b"9" * 10**6 + b"}",
    "65 objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "65 levels of both kinds": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    "a depth bomb of lists": b'{"a":' + b"[" * 1_000_000,
    "a depth bomb of objects": b'{"a":' * 500_000,
    "trailing text": b'{"a": 1} {}',
    "a comma too many": b'{"a": 1,}',
    "a comment": b'{"a": 1 /* one */}',
    "single quotes": b"{'a': 1}",
    "a raw control character": b'{"a": "\n"}',
    "a leading zero": b'{"a": 01}',
    "a cut document": b'{"a": "b',
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_refused(raw: bytes) -> None:
    with pytest.raises(IntegrityError) as caught:
        decode_object(raw, subject="the manifest of x")
    assert caught.value.what.startswith("the manifest of x ")
    messages.check(caught.value)


ACCEPTED = {
    "white space around": b' \r\n\t{"a" : [ 1 , 2 ] }\n',
    "an escaped surrogate pair": rb'{"a": "\ud83d\ude00"}',
    "names that differ in case only": b'{"a": 1, "A": 2}',
    "equal names in different objects": b'{"a": {"b": 1}, "c": {"b": 2}}',
    "int64": b'{"min": -9223372036854775808, "max": 9223372036854775807}',
    "the largest double": b'{"a": 1.7976931348623157e308}',
    "64 objects": b'{"a":' * 64 + b"1" + b"}" * 64,
    "a noncharacter": '{"a": "\uffff"}'.encode(),
}


@pytest.mark.parametrize("raw", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(raw: bytes) -> None:
    assert decode_object(raw, subject="x") == json.loads(raw)


def test_the_limit_is_on_bytes_and_inclusive() -> None:
    raw = encode({"a": "b"})
    assert decode_object(raw, subject="x", limit=len(raw)) == {"a": "b"}
    with pytest.raises(IntegrityError, match=f"x has {len(raw)} bytes; at most {len(raw) - 1} are accepted"):
        decode_object(raw, subject="x", limit=len(raw) - 1)


def test_the_limit_holds_before_anything_is_parsed() -> None:
    with pytest.raises(IntegrityError, match="at most"):
        decode_object(b"\xff" * (MANIFEST_LIMIT + 1), subject="x")


def test_a_duplicate_among_very_many_names_is_found_in_linear_time() -> None:
    raw = b"{" + b"".join(b'"%d":1,' % number for number in range(200_000)) + b'"199999":1}'
    start = time.process_time()
    with pytest.raises(IntegrityError, match="'199999' occurs twice"):
        decode_object(raw, subject="x")
    assert time.process_time() - start < 5, "looking for it name by name would take minutes"


def test_a_long_name_does_not_fill_the_screen() -> None:
    name = b"\\u001b[31m" + b"n" * 100_000
    with pytest.raises(IntegrityError, match="occurs twice") as caught:
        decode_object(b'{"%b": 1, "%b": 2}' % (name, name), subject="x")
    messages.check(caught.value)
