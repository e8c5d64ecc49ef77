from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, NotFoundError, OcibuildError, UsageError
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.media_type import OCI_MANIFEST
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.store.index_document import entries_of, index_of, with_entries
from ocibuild.store.naming import IMAGE_NAME, REF_NAME, Entry, choose, entry_named, entry_of, named

ONE, TWO = describe(b"one", OCI_MANIFEST), describe(b"two", OCI_MANIFEST)

tags = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,12}", fullmatch=True)
repositories = st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}", fullmatch=True)
hosts = st.sampled_from(["ghcr.io", "docker.io", "localhost:5000", "[::1]:5000", "Registry"])
references = st.builds(lambda host, name: parse_reference(f"{host}/{name}"), hosts, repositories)
digests = st.sampled_from([ONE, TWO])
names = st.tuples(st.none() | references, st.none() | tags)


def key(reference: Reference | None, tag: str | None) -> tuple[str, str]:
    return reference.name if reference else "", tag or ""


@pytest.mark.parametrize(
    ("annotations", "reference", "tag"),
    [
        ({}, None, None),
        ({REF_NAME: ""}, None, None),
        ({REF_NAME: "latest"}, None, "latest"),
        ({REF_NAME: "ghcr.io/o/h:1"}, "ghcr.io/o/h:1", "1"),
        ({REF_NAME: "hello:1"}, "docker.io/library/hello:1", "1"),
        ({REF_NAME: "a+b"}, None, "a+b"),
        ({REF_NAME: "NOT/a:reference!"}, None, "NOT/a:reference!"),
        ({REF_NAME: "1", IMAGE_NAME: "ghcr.io/o/h:1"}, "ghcr.io/o/h:1", "1"),
        ({REF_NAME: "1", IMAGE_NAME: "ghcr.io/o/h"}, "ghcr.io/o/h:1", "1"),
        ({REF_NAME: "ghcr.io/o/h:1", IMAGE_NAME: "ghcr.io/o/h"}, "ghcr.io/o/h", None),
        ({IMAGE_NAME: "ghcr.io/o/h"}, "ghcr.io/o/h", None),
        ({REF_NAME: "1", IMAGE_NAME: "no reference!"}, None, "1"),
    ],
)
def test_names_are_read_however_they_were_written(
    annotations: Mapping[str, str], reference: str | None, tag: str | None
) -> None:
    entry = entry_of(describe(b"one", OCI_MANIFEST, annotations=annotations))
    assert (str(entry.reference) if entry.reference else None, entry.tag) == (reference, tag)


def test_a_name_is_written_as_containerd_reads_it() -> None:
    new = named(ONE, reference=parse_reference("ghcr.io/o/h"), tag="1", annotations={"a": "b"})
    assert new.annotations == {"a": "b", REF_NAME: "1", IMAGE_NAME: "ghcr.io/o/h:1"}
    assert new.digest == ONE.digest


def test_a_new_name_takes_nothing_from_the_old_one() -> None:
    old = describe(b"one", OCI_MANIFEST, annotations={"kept": "yes", REF_NAME: "1", IMAGE_NAME: "ghcr.io/o/h:1"})
    assert named(old).annotations == {"kept": "yes"}
    assert named(old, tag="2").annotations == {"kept": "yes", REF_NAME: "2"}
    assert named(old, reference=parse_reference("hello")).annotations == {
        "kept": "yes",
        IMAGE_NAME: "docker.io/library/hello",
    }


def test_a_digest_is_no_part_of_a_name() -> None:
    reference = parse_reference(f"ghcr.io/o/h:1@{TWO.digest}")
    assert named(ONE, reference=reference).annotations[IMAGE_NAME] == "ghcr.io/o/h:1"


def test_a_tag_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="is not a tag"):
        named(ONE, tag="-rf")


@given(names, digests)
def test_a_name_that_was_written_is_read_again(name: tuple[Reference | None, str | None], image: Descriptor) -> None:
    reference, tag = name
    entry = entry_of(named(image, reference=reference, tag=tag))
    assert entry.key == key(reference, tag)
    assert entry.descriptor.digest == image.digest


@given(st.lists(st.tuples(names, digests), max_size=8), st.randoms())
def test_the_index_does_not_depend_on_the_order_of_its_making(
    images: list[tuple[tuple[Reference | None, str | None], Descriptor]], random: object
) -> None:
    unique = {key(*name): (name, image) for name, image in images}
    descriptors = [named(image, reference=name[0], tag=name[1]) for name, image in unique.values()]
    shuffled = sorted(descriptors, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert encode(index_of(descriptors)) == encode(index_of(shuffled))


@given(st.lists(st.tuples(names, digests), max_size=8))
def test_an_index_holds_one_image_a_name_and_it_is_the_last(
    images: list[tuple[tuple[Reference | None, str | None], Descriptor]],
) -> None:
    document = index_of(named(image, reference=name[0], tag=name[1]) for name, image in images)
    found = {entry.key: entry.descriptor.digest for entry in entries_of(document, subject="index.json")}
    assert found == {key(*name): image.digest for name, image in images}
    assert len(document["manifests"]) == len(found)


@given(st.lists(st.tuples(names, digests), max_size=8))
def test_every_listed_name_finds_its_image(
    images: list[tuple[tuple[Reference | None, str | None], Descriptor]],
) -> None:
    document = index_of(named(image, reference=name[0], tag=name[1]) for name, image in images)
    entries = entries_of(document, subject="index.json")
    for entry in entries:
        if entry.reference is not None and entry.reference.tag is not None:
            assert choose(entries, str(entry), where="here").digest == entry.descriptor.digest


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_name_or_is_not_found(ref_name: str, image_name: str, asked: str) -> None:
    entry = entry_of(describe(b"one", OCI_MANIFEST, annotations={REF_NAME: ref_name, IMAGE_NAME: image_name}))
    with suppress(NotFoundError):
        assert choose([entry], asked, where="here").digest == ONE.digest


def test_what_others_wrote_stays_as_it_is() -> None:
    foreign = {
        "mediaType": OCI_MANIFEST,
        "digest": str(TWO.digest),
        "size": TWO.size,
        "annotations": {REF_NAME: "theirs"},
        "x-unknown": [1, 2.5, None],
    }
    document = {"schemaVersion": 2, "manifests": [foreign], "annotations": {"a": "b"}, "x": {"y": 1}}
    new = with_entries(document, [named(ONE, tag="ours")], subject="index.json")
    assert new["manifests"] == [named(ONE, tag="ours").to_json(), foreign]
    assert {key: new[key] for key in ("schemaVersion", "annotations", "x")} == {
        "schemaVersion": 2,
        "annotations": {"a": "b"},
        "x": {"y": 1},
    }


@pytest.mark.parametrize(
    "document",
    [
        {"schemaVersion": 2},
        {"schemaVersion": 1, "manifests": []},
        {"schemaVersion": 2, "manifests": {}},
        {"schemaVersion": 2, "manifests": [{"mediaType": "x", "digest": "sha256:../../x", "size": 1}]},
        {"schemaVersion": 2, "manifests": [{"mediaType": "x", "digest": str(ONE.digest), "size": -1}]},
        {"schemaVersion": 2, "manifests": [{"mediaType": "x", "digest": str(ONE.digest), "size": 2**63}]},
    ],
)
def test_a_malformed_index_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match=r"index\.json"):
        entries_of(document, subject="index.json")


def entry(name: str | None, image: Descriptor) -> Entry:
    return entry_named(name, image)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("1", ONE),
        ("ghcr.io/o/h:1", ONE),
        ("ghcr.io/o/h", ONE),
        ("ghcr.io/o/x:2", TWO),
        ("docker.io/library/hello:latest", TWO),
        ("hello:latest", TWO),
        ("plain", ONE),
    ],
)
def test_a_tag_or_a_reference_finds_its_image(name: str, found: Descriptor) -> None:
    entries = [
        entry("ghcr.io/o/h:1", ONE),
        entry("ghcr.io/o/x:2", TWO),
        entry("hello:latest", TWO),
        entry("plain", ONE),
    ]
    assert choose(entries, name, where="here").digest == found.digest


def test_several_names_of_one_image_are_one_image() -> None:
    entries = [entry("ghcr.io/o/h:1", ONE), entry("ghcr.io/o/h:latest", ONE), entry(None, ONE)]
    for name in (None, "ghcr.io/o/h", "1"):
        assert choose(entries, name, where="here").digest == ONE.digest


@pytest.mark.parametrize(
    ("name", "kind", "hint"),
    [
        (None, UsageError, "name one of: ghcr.io/o/a:1, ghcr.io/o/b:1"),
        ("1", UsageError, "name one of: ghcr.io/o/a:1, ghcr.io/o/b:1"),
        ("ghcr.io/o/a:2", NotFoundError, "did you mean ghcr.io/o/a:1?"),
        ("zzz", NotFoundError, "it holds: ghcr.io/o/a:1, ghcr.io/o/b:1"),
    ],
)
def test_a_name_that_finds_none_or_several_says_what_there_is(
    name: str | None, kind: type[OcibuildError], hint: str
) -> None:
    entries = [entry("ghcr.io/o/a:1", ONE), entry("ghcr.io/o/b:1", TWO)]
    with pytest.raises(kind) as caught:
        choose(entries, name, where="here")
    assert caught.value.hint == hint


def test_a_long_list_of_names_is_cut() -> None:
    entries = [entry(f"x.io/o/h:{number}", describe(b"%d" % number, OCI_MANIFEST)) for number in range(10)]
    with pytest.raises(UsageError) as caught:
        choose(entries, None, where="here")
    assert str(caught.value.hint).endswith("x.io/o/h:7 and 2 more")


def test_an_empty_place_says_so() -> None:
    with pytest.raises(NotFoundError, match="here holds no image"):
        choose([], None, where="here")
