"""Descriptors in foreign documents (image-spec descriptor.md)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, OcibuildError
from ocibuild.oci.descriptor import Descriptor, describe, descriptor_from_json
from ocibuild.oci.digest import Digest, parse_digest, sha256
from ocibuild.oci.media_type import OCI_EMPTY, OCI_LAYER, OCI_MANIFEST
from ocibuild.oci.platform import Platform
from tests.oci import messages
from tests.oci.json_values import anything, mutations

SHA = "sha256:" + "0123456789abcdef" * 4
PLAIN: dict[str, Any] = {"mediaType": OCI_LAYER, "digest": SHA, "size": 5}
FULL: dict[str, Any] = {
    "mediaType": OCI_MANIFEST,
    "digest": str(sha256(b"{}")),
    "size": 2,
    "urls": ["https://example.com/blob"],
    "annotations": {"org.opencontainers.image.ref.name": "1.0", "": ""},
    "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
    "artifactType": "application/vnd.example+type",
    "data": "e30=",
}


def read(document: Any) -> Descriptor:
    return descriptor_from_json(document, subject="layer 1 of x")


def test_plain() -> None:
    assert read(PLAIN) == Descriptor(OCI_LAYER, parse_digest(SHA), 5)
    assert read(PLAIN).to_json() == PLAIN


def test_full() -> None:
    descriptor = read(FULL)
    assert descriptor.urls == ("https://example.com/blob",)
    assert descriptor.platform == Platform("linux", "arm64", "v8")
    assert descriptor.artifact_type == "application/vnd.example+type"
    assert descriptor.data == b"{}"
    assert descriptor.to_json() == FULL


def test_the_empty_descriptor() -> None:
    empty = describe(b"{}", OCI_EMPTY, data=b"{}")
    assert str(empty.digest) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert empty.to_json() == {"mediaType": OCI_EMPTY, "digest": str(empty.digest), "size": 2, "data": "e30="}


def test_null_fields_equal_absence() -> None:
    nothing = dict.fromkeys(("urls", "annotations", "platform", "artifactType", "data"))
    assert read({**PLAIN, **nothing}) == read(PLAIN)
    assert read({**PLAIN, "artifactType": ""}) == read(PLAIN)
    assert read({**PLAIN, "platform": {}}).platform == Platform("", "")


def test_unknown_fields_and_types_are_passed_over() -> None:
    unknown = {**PLAIN, "mediaType": "application/x.unheard-of; version=2", "newField": {"a": [1]}}
    assert read(unknown).media_type == "application/x.unheard-of; version=2"


def test_an_unknown_algorithm_is_carried_along() -> None:
    text = "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564"
    assert str(read({**PLAIN, "digest": text}).digest) == text


def test_sizes_go_from_zero_to_the_largest_int64() -> None:
    for size in (0, 1, 2**53 + 1, 2**63 - 1):
        assert read({**PLAIN, "size": size}).size == size


BAD_SIZES = [-1, -(2**63), 2**63, 2**64, True, False, None, "5", 5.0, 5.5, 1e30, [5], {"size": 5}, "9" * 10_000]


@pytest.mark.parametrize("size", BAD_SIZES, ids=lambda size: repr(size)[:20])
def test_bad_sizes(size: object) -> None:
    with pytest.raises(IntegrityError, match=r"^layer 1 of x has no valid size: ") as caught:
        read({**PLAIN, "size": size})
    messages.check(caught.value)


BAD_FIELDS: dict[str, list[object]] = {
    "mediaType": [None, "", 1, [], {}, "a\r\nX-Evil: 1", "text/\x1b[31m", "text/é", " a/b", "a/b ", "a/" + "b" * 254],
    "digest": [None, "", 1, [], SHA.upper(), SHA[:-1], SHA + "\n", "sha256:../../x", "x" * 100_000],
    "urls": ["https://x", [1], [None], {"a": "b"}, 1, [["https://x"]]],
    "annotations": [[], "x", 1, {"a": 1}, {"a": None}, {"a": {"b": "c"}}, {"a": ["b"]}],
    "platform": [
        "linux/amd64",
        [],
        1,
        True,
        {"os": 1},
        {"os": "linux", "variant": ["v8"]},
        {"architecture": {"a": "b"}},
    ],
    "artifactType": [1, [], {}, True, "a\nb"],
    "data": [
        "e30",
        "*",
        "e30=\n",
        "é",
        1,
        [],
        {},
        True,
        base64.b64encode(b"{} ").decode(),
        base64.b64encode(b"[]").decode(),
    ],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_FIELDS.items() for value in values],
    ids=lambda value: repr(value)[:24].encode("unicode_escape").decode(),
)
def test_bad_fields(name: str, value: object) -> None:
    with pytest.raises(IntegrityError, match="layer 1 of x") as caught:
        read({**FULL, name: value})
    messages.check(caught.value)


@pytest.mark.parametrize("features", ["win32k", 5, {"a": 1}, [1], [{}], [["win32k"]]])
def test_bad_features_of_a_platform(features: object) -> None:
    with pytest.raises(IntegrityError, match=r"^os\.features of platform of layer 1 of x is not a list of strings"):
        read({**PLAIN, "platform": {"os": "linux", "architecture": "amd64", "os.features": features}})


@pytest.mark.parametrize("name", ["mediaType", "digest", "size"])
def test_required_fields(name: str) -> None:
    document = dict(PLAIN)
    del document[name]
    with pytest.raises(IntegrityError, match="layer 1 of x"):
        read(document)


@pytest.mark.parametrize("document", [None, [], "x", 1, True, [PLAIN]])
def test_what_is_no_object_is_no_descriptor(document: object) -> None:
    with pytest.raises(IntegrityError, match="layer 1 of x is not a descriptor"):
        read(document)


def test_embedded_data_under_sha512_and_under_what_cannot_be_verified() -> None:
    sha512 = Digest(
        "sha512",
        "27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9"
        "a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd",
    )
    assert read({**FULL, "digest": str(sha512)}).data == b"{}"
    with pytest.raises(IntegrityError, match="cannot be verified"):
        read({**FULL, "digest": "unknown:abc"})


def test_embedded_empty_data() -> None:
    empty = describe(b"", "text/plain", data=b"")
    assert read(empty.to_json()) == empty


def test_descriptors_can_be_kept_in_sets() -> None:
    assert len({read(FULL), read(FULL), read(PLAIN)}) == 2


descriptors = st.builds(
    Descriptor,
    media_type=st.from_regex(r"[a-z]{1,9}/[a-z.+-]{1,9}", fullmatch=True),
    digest=st.binary(max_size=3).map(sha256),
    size=st.integers(0, 2**63 - 1),
    urls=st.lists(st.text(), max_size=2).map(tuple),
    annotations=st.dictionaries(st.text(), st.text(), max_size=2),
    platform=st.none()
    | st.builds(Platform, st.text(), st.text(), os_features=st.lists(st.text(), max_size=2).map(tuple)),
    artifact_type=st.none() | st.just("application/vnd.example"),
)


@given(descriptors)
def test_json_round_trip(descriptor: Descriptor) -> None:
    assert read(descriptor.to_json()) == descriptor


@given(anything | mutations(FULL))
def test_any_json_is_a_descriptor_or_an_integrity_error(document: Any) -> None:
    try:
        descriptor = read(document)
    except OcibuildError as error:
        assert_integrity(error)
        return
    hash(descriptor)
    assert read(descriptor.to_json()) == descriptor


def assert_integrity(error: OcibuildError) -> None:
    assert isinstance(error, IntegrityError)
    messages.check(error)
