"""The pure part: tags of lists, what a list says of a referrer, and how it changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.oci.artifact import EMPTY, artifact_manifest, parse_type
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest, parse_digest, sha256
from ocibuild.oci.media_type import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from ocibuild.oci.reference import parse_tag
from ocibuild.oci.referrers import (
    is_referrers_tag,
    of_type,
    referral_in,
    referrers_in,
    referrers_tag,
    with_referrer,
    without_referrers,
)
from tests.fake_registry.images import as_json, descriptor_of
from tests.referrers.support import IMAGE, NOTES, SBOM, artifact_on

SUBJECT = sha256(b"subject")


def referrer(name: str, **facts: object) -> Descriptor:
    return describe(name.encode(), OCI_MANIFEST, **{"artifact_type": SBOM, "annotations": {"name": name}, **facts})


@pytest.mark.parametrize(
    ("digest", "tag"),
    [
        ("sha256:" + "a" * 64, "sha256-" + "a" * 64),
        ("sha512:" + "b" * 128, "sha512-" + "b" * 64),
        ("sha256+b64u:" + "A=_-", "sha256-b64u-A-_-"),
        ("x" * 40 + ":" + "c" * 80, "x" * 32 + "-" + "c" * 64),
    ],
)
def test_the_tag_of_a_list_is_cut_and_mended_as_the_specification_says(digest: str, tag: str) -> None:
    assert referrers_tag(parse_digest(digest)) == tag


@given(st.from_regex(r"[a-z0-9]{1,40}([.+_-][a-z0-9]{1,9})?:[a-zA-Z0-9=_-]{1,90}", fullmatch=True))
def test_every_digest_has_a_list_with_a_valid_tag(text: str) -> None:
    algorithm, _, encoded = text.partition(":")
    parse_tag(referrers_tag(Digest(algorithm, encoded)))


def test_only_lists_have_their_tags() -> None:
    tag = referrers_tag(SUBJECT)
    assert is_referrers_tag(tag)
    assert not any(map(is_referrers_tag, (None, "1.0", f"{tag}.sig", tag[:-1], tag.upper())))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"artifactType": NOTES}, NOTES),
        ({"artifactType": None, "config": descriptor_of(b"x", OCI_CONFIG)}, OCI_CONFIG),
    ],
)
def test_a_referrer_is_of_its_artifact_type_or_of_its_configs(fields: dict[str, Any], expected: str) -> None:
    raw = artifact_on(IMAGE.digest, **fields).manifest
    referral = referral_in(describe(raw, OCI_MANIFEST, annotations={"of": "another list"}), raw)
    assert referral is not None
    assert str(referral.subject) == IMAGE.digest
    assert referral.referrer == describe(raw, OCI_MANIFEST, artifact_type=expected, annotations={"name": "signature"})


def test_an_index_may_refer_too_and_has_no_other_type_than_its_own() -> None:
    about = {"mediaType": OCI_MANIFEST, "digest": str(SUBJECT), "size": 1}
    raw = as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": about})
    referral = referral_in(describe(raw, OCI_INDEX), raw)
    assert referral is not None
    assert (referral.subject, referral.referrer.artifact_type) == (SUBJECT, None)


def test_what_has_no_subject_refers_to_nothing() -> None:
    raw = artifact_on(None, annotations={"note": 'not a "subject"'}).manifest
    assert referral_in(describe(raw, OCI_MANIFEST), raw) is None
    assert referral_in(describe(b'{"subject":1}', OCI_CONFIG), b'{"subject":1}') is None


def test_a_list_grows_by_what_is_new_and_says_all_about_it() -> None:
    one = with_referrer(None, referrer("one"))
    two = with_referrer(one, referrer("two"))
    assert referrers_in(two, subject="it") == (referrer("one"), referrer("two"))
    assert with_referrer(two, referrer("one")) is two


def test_an_entry_without_type_and_annotations_is_completed_and_what_else_it_says_stays() -> None:
    bare = {**referrer("one", annotations={}, artifact_type=None).to_json(), "urls": ["https://a.example/"], "x-own": 1}
    raw = as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [bare], "annotations": {"kept": "yes"}})
    document = json.loads(with_referrer(raw, referrer("one")))
    assert document["annotations"] == {"kept": "yes"}
    assert document["manifests"] == [{**bare, **referrer("one").to_json()}]


def test_a_list_shrinks_to_an_empty_one() -> None:
    both = with_referrer(with_referrer(None, referrer("one")), referrer("two"))
    one, two = referrer("one").digest, referrer("two").digest
    assert referrers_in(without_referrers(both, {one}), subject="it") == (referrer("two"),)
    assert referrers_in(without_referrers(both, {one, two}), subject="it") == ()
    assert without_referrers(both, {SUBJECT}) is both


@given(st.lists(st.sampled_from("abcdef"), max_size=12))
def test_a_list_has_nothing_twice_in_whatever_order_it_grows(names: list[str]) -> None:
    raw = None
    for name in names:
        raw = with_referrer(raw, referrer(name))
    found = referrers_in(raw, subject="it") if raw else ()
    assert [each.annotations["name"] for each in found] == list(dict.fromkeys(names))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"manifests":[1]}', b'{"manifests":{}}', IMAGE.manifest])
def test_what_is_no_index_is_not_taken_for_a_list(raw: bytes) -> None:
    with pytest.raises(IntegrityError):
        referrers_in(raw, subject="it")
    with pytest.raises(IntegrityError):
        with_referrer(raw, referrer("one"))


def test_each_referrer_counts_once_in_the_order_of_the_first() -> None:
    a, b, twin = referrer("a"), referrer("b", artifact_type=NOTES), referrer("a", annotations={})
    assert of_type([a, b, twin], None) == (a, b)
    assert of_type([a, b, twin], NOTES) == (b,)


def test_an_artifact_is_the_same_for_the_same_file() -> None:
    subject = describe(b"image", OCI_MANIFEST, annotations={"org.opencontainers.image.ref.name": "1.0"})
    layer = describe(b"file", SBOM)
    raw = artifact_manifest(SBOM, [layer], subject, {"b": "2", "a": "1"})
    assert raw == artifact_manifest(SBOM, [layer], subject, {"a": "1", "b": "2"})
    assert json.loads(raw) == {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": SBOM,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
            "data": "e30=",
        },
        "layers": [layer.to_json()],
        "subject": {"mediaType": OCI_MANIFEST, "digest": str(subject.digest), "size": subject.size},
        "annotations": {"a": "1", "b": "2"},
    }
    assert EMPTY.data == b"{}"
    assert "annotations" not in json.loads(artifact_manifest(SBOM, [layer], subject, {}))


@pytest.mark.parametrize(
    "text", ["", "sbom", "application/", "/json", "a b/c", "a/b;c=d", "a/" + "b" * 128, "ä/b", "a/b\n"]
)
def test_a_type_that_is_no_media_type_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a media type"):
        parse_type(text)
