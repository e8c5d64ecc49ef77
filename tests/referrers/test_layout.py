"""Layouts and archives: the list is kept under the tag that a registry without the API would have it under."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Barrier, Thread

import pytest

from ocibuild import api
from ocibuild.errors import IntegrityError, NotFoundError, SourceError, UsageError
from ocibuild.oci.artifact import EMPTY
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import describe
from ocibuild.oci.media_type import OCI_INDEX, OCI_MANIFEST
from ocibuild.oci.platform import parse_platform
from ocibuild.oci.referrers import referrers_tag
from ocibuild.store.layout import Layout
from tests.recipes.support import Desk
from tests.referrers.support import (
    NOTES,
    SBOM,
    artifact_on,
    attach,
    layout_with_image,
    list_of,
    referrers,
    write,
)

PLACE = "oci:layout:1.0"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_with_image(tmp_path)


def list_tag(layout: Layout) -> str:
    return referrers_tag(layout.resolve("1.0").digest)


def test_what_is_attached_is_found_again(layout: Layout, desk: Desk) -> None:
    one, two = attach(desk, PLACE, "one"), attach(desk, PLACE, "two", type=NOTES)
    assert sorted(referrers(desk, PLACE)) == sorted([one, two])
    assert referrers(desk, PLACE, artifact_type=NOTES) == [two]
    found = json.loads(layout.read_manifest(layout.resolve(list_tag(layout))))
    assert found["mediaType"] == OCI_INDEX
    assert [(each["digest"], each["artifactType"]) for each in found["manifests"]] == [(one, SBOM), (two, NOTES)]


def test_the_same_file_is_attached_once_and_changes_nothing_the_second_time(layout: Layout, desk: Desk) -> None:
    one = attach(desk, PLACE)
    before = (layout.path / "index.json").read_bytes()
    assert attach(desk, PLACE) == one
    assert (layout.path / "index.json").read_bytes() == before


def test_the_artifact_holds_the_file_under_its_name(layout: Layout, desk: Desk) -> None:
    digest = attach(desk, PLACE, "the content", media_type="text/plain", annotations={"a": "1"}, epoch="86400")
    manifest = json.loads(layout.read_manifest(layout.resolve(digest)))
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "text/plain"
    assert layer["annotations"] == {"org.opencontainers.image.title": "sbom.json"}
    assert b"".join(layout.open_blob(describe(b"the content", "text/plain"))) == b"the content"
    assert b"".join(layout.open_blob(EMPTY)) == b"{}"
    assert manifest["subject"]["digest"] == str(layout.resolve("1.0").digest)
    assert "annotations" not in manifest["subject"], "a name in a layout is no fact about the image"
    assert manifest["annotations"] == {"a": "1", "org.opencontainers.image.created": "1970-01-02T00:00:00Z"}


def test_a_list_is_no_image_of_the_layout(layout: Layout, desk: Desk) -> None:
    attach(desk, PLACE)
    assert layout.resolve(None) == layout.resolve("1.0"), "the only image is still the only one"


def test_the_images_of_an_index_have_referrers_of_their_own(layout: Layout, desk: Desk) -> None:
    amd = parse_platform("linux/amd64")
    part = attach(desk, PLACE, platform=amd)
    assert referrers(desk, PLACE) == []
    assert referrers(desk, PLACE, platform=amd) == [part]


def test_artifacts_that_the_index_names_itself_are_found_as_oras_leaves_them(layout: Layout, desk: Desk) -> None:
    theirs = artifact_on(str(layout.resolve("1.0").digest)).manifest
    layout.name(layout.put_bytes(theirs, OCI_MANIFEST))
    ours = attach(desk, PLACE)
    assert sorted(referrers(desk, PLACE)) == sorted([str(describe(theirs, OCI_MANIFEST).digest), ours])
    (first,) = api.referrers(desk.at(PLACE), desk.places, artifact_type=NOTES).referrers
    assert first.annotations == {"name": "signature"}
    assert layout.resolve(None) == layout.resolve("1.0"), "the only image is still the only one"


def test_a_manifest_that_is_missing_is_passed_over(layout: Layout, desk: Desk) -> None:
    stray = layout.put_bytes(b'{"never":"read"}', OCI_MANIFEST)
    layout.name(stray, tag="stray")
    (layout.path / "blobs/sha256" / stray.digest.encoded).unlink()
    ours = attach(desk, PLACE)
    assert referrers(desk, PLACE) == [ours]


def test_a_tag_that_is_used_for_something_else_is_left_alone(layout: Layout, desk: Desk) -> None:
    image = layout.resolve("1.0")
    layout.name(layout.put_bytes(artifact_on(None).manifest, OCI_MANIFEST), tag=referrers_tag(image.digest))
    before = (layout.path / "index.json").read_bytes()
    for work in (attach, referrers):
        with pytest.raises(IntegrityError, match=r"list of referrers|index"):
            work(desk, PLACE)
    assert (layout.path / "index.json").read_bytes() == before


def test_many_at_once_are_all_listed(layout: Layout) -> None:
    subject, together = str(layout.resolve("1.0").digest), Barrier(8)
    artifacts = [artifact_on(subject, f"number {number}") for number in range(8)]

    def put(raw: bytes) -> None:
        place = Layout.open(layout.path)
        together.wait(10)
        place.put_manifest(describe(raw, OCI_MANIFEST), raw)

    threads = [Thread(target=put, args=(artifact.manifest,)) for artifact in artifacts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found = {str(each.digest) for each in layout.referrers(layout.resolve("1.0").digest)}
    assert found == {artifact.digest for artifact in artifacts}


def test_an_archive_is_read_but_not_changed(layout: Layout, desk: Desk) -> None:
    artifact = attach(desk, PLACE)
    api.copy(desk.at(PLACE), desk.at("oci-archive:image.tar"), desk.places, along=api.Along(referrers=True))
    assert referrers(desk, "oci-archive:image.tar:1.0") == [artifact]
    api.copy(desk.at(PLACE), desk.at("docker-archive:docker.tar"), desk.places, platform=parse_platform("linux/amd64"))
    assert referrers(desk, "docker-archive:docker.tar") == []
    for place in ("oci-archive:image.tar", "docker-archive:docker.tar"):
        with pytest.raises(UsageError, match="archives are not changed"):
            attach(desk, place)


def test_a_list_of_a_foreign_layout_is_mended_not_replaced(layout: Layout, desk: Desk) -> None:
    theirs = artifact_on(str(layout.resolve("1.0").digest))
    layout.put_bytes(theirs.manifest, OCI_MANIFEST)
    layout.name(layout.put_bytes(list_of(theirs), OCI_INDEX), tag=list_tag(layout))
    ours = attach(desk, PLACE)
    assert sorted(referrers(desk, PLACE)) == sorted([theirs.digest, ours])


class TestDelete:
    def test_a_name_goes_alone(self, layout: Layout, desk: Desk) -> None:
        image = layout.resolve("1.0")
        layout.name(image, tag="latest")
        assert api.delete(desk.at(PLACE), desk.places) == (f"oci:{layout.path}:1.0",)
        assert [entry.tag for entry in layout.entries()] == ["latest"]
        assert layout.read_manifest(image), "blobs stay"

    def test_with_a_digest_go_all_its_names(self, layout: Layout, desk: Desk) -> None:
        image = layout.resolve("1.0")
        layout.name(image, tag="latest")
        api.delete(desk.at(f"oci:layout:{image.digest}"), desk.places)
        assert layout.entries() == []

    def test_an_artifact_is_struck_off_the_list(self, layout: Layout, desk: Desk) -> None:
        one, two = attach(desk, PLACE, "one"), attach(desk, PLACE, "two")
        assert api.delete(desk.at(f"oci:layout:{one}"), desk.places) == (f"oci:{layout.path}:{one}",)
        assert referrers(desk, PLACE) == [two]

    def test_what_is_not_there_cannot_go(self, layout: Layout, desk: Desk) -> None:
        attach(desk, PLACE)
        before = (layout.path / "index.json").read_bytes()
        child = json.loads(layout.read_manifest(layout.resolve("1.0")))["manifests"][0]["digest"]
        for name in ("2.0", f"sha256:{'0' * 64}", child):
            with pytest.raises(NotFoundError):
                api.delete(desk.at(f"oci:layout:{name}"), desk.places)
        assert (layout.path / "index.json").read_bytes() == before

    def test_a_damaged_image_can_go(self, layout: Layout, desk: Desk) -> None:
        image = layout.resolve("1.0")
        file = layout.path / "blobs/sha256" / image.digest.encoded
        file.chmod(0o644)
        file.write_bytes(encode({"broken": '"subject"'}))
        api.delete(desk.at(f"oci:layout:{image.digest}"), desk.places)
        assert layout.entries() == []

    @pytest.mark.parametrize("place", ["oci:layout", "oci-archive:image.tar:1.0", "127.0.0.1:9/team/app"])
    def test_what_is_meant_has_to_be_said(self, layout: Layout, desk: Desk, place: str) -> None:
        with pytest.raises(UsageError) as caught:
            api.delete(desk.at(place), desk.places)
        assert caught.value.hint


@pytest.mark.parametrize(
    ("problem", "error", "words"),
    [
        ("missing", SourceError, "No such file"),
        ("directory", SourceError, "Is a directory"),
        ("type", UsageError, "not a media type"),
        ("epoch", UsageError, "not a number of seconds"),
    ],
)
def test_what_cannot_be_attached_leaves_the_layout_as_it_was(
    layout: Layout, desk: Desk, problem: str, error: type[Exception], words: str
) -> None:
    before = sorted(layout.path.rglob("*"))
    good = api.Attachment(write(desk.directory, "{}"), SBOM)
    attachment = {
        "missing": api.Attachment(desk.path("nothing"), SBOM),
        "directory": api.Attachment(desk.directory, SBOM),
        "type": api.Attachment(good.file, "sbom"),
        "epoch": api.Attachment(good.file, SBOM, epoch="yesterday"),
    }[problem]
    with pytest.raises(error, match=words):
        api.attach(desk.at(PLACE), attachment, desk.places)
    assert sorted(layout.path.rglob("*")) == before
