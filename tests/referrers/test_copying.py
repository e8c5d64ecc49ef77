"""Copies that take along what belongs to an image, and copies of whole repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.errors import UsageError
from ocibuild.events import Stage
from ocibuild.oci.digest import parse_digest
from ocibuild.oci.platform import parse_platform
from ocibuild.oci.referrers import referrers_tag
from ocibuild.store.layout import Layout
from tests.fake_registry import BLOBS, MANIFESTS, UPLOADS, FakeRegistry
from tests.fake_registry.fixtures import Run
from tests.fake_registry.manifests import OCI_INDEX
from tests.recipes.support import Desk
from tests.referrers.support import (
    IMAGE,
    INDEX,
    LIST_TAG,
    REPOSITORY,
    artifact_on,
    at,
    attach,
    digests,
    layout_with_image,
    list_of,
    listed,
    put,
    referrers,
)

NOTHING, REFERRERS, TAGS = api.Along(), api.Along(referrers=True), api.Along(digest_tags=True)
SIGNATURE = f"{LIST_TAG}.sig"


@pytest.fixture
def source(fake_registry: FakeRegistry) -> FakeRegistry:
    """A registry with an image and an index."""
    fake_registry.add_image(REPOSITORY, IMAGE, "1.0")
    fake_registry.add_image(REPOSITORY, INDEX, "multi")
    return fake_registry


@pytest.fixture
def target(running: Run) -> FakeRegistry:
    """An empty registry."""
    return running(FakeRegistry())


def copy(desk: Desk, source: str, destination: str, along: api.Along = REFERRERS, **options: object) -> str:
    return str(api.copy(desk.at(source), desk.at(destination), desk.places, along=along, **options).digest)  # type: ignore[arg-type]


@pytest.mark.parametrize("source_lists", [True, False])
@pytest.mark.parametrize("target_lists", [True, False])
def test_referrers_arrive_whoever_keeps_the_lists(
    source: FakeRegistry, target: FakeRegistry, desk: Desk, source_lists: bool, target_lists: bool
) -> None:
    source.settings.referrers, target.settings.referrers = source_lists, target_lists
    sbom = attach(desk, at(source))
    signature = attach(desk, f"{source.host}/{REPOSITORY}@{sbom}", "a signature of the SBOM")
    assert copy(desk, at(source), at(target)) == IMAGE.digest
    assert referrers(desk, at(target)) == [sbom]
    assert referrers(desk, f"{target.host}/{REPOSITORY}@{sbom}") == [signature]
    for digest in (IMAGE.digest, sbom, signature):
        assert target.manifest(REPOSITORY, digest) == source.manifest(REPOSITORY, digest)
    assert (listed(target) is None) == target_lists


def test_the_images_of_an_index_bring_their_own(source: FakeRegistry, target: FakeRegistry, desk: Desk) -> None:
    arm = parse_platform("linux/arm64")
    whole, part = attach(desk, at(source, "multi")), attach(desk, at(source, "multi"), platform=arm)
    copy(desk, at(source, "multi"), at(target, "multi"))
    assert referrers(desk, at(target, "multi")) == [whole]
    assert referrers(desk, at(target, "multi"), platform=arm) == [part]


def test_without_being_asked_nothing_comes_along(source: FakeRegistry, target: FakeRegistry, desk: Desk) -> None:
    attach(desk, at(source))
    copy(desk, at(source), at(target), NOTHING)
    assert referrers(desk, at(target)) == []
    assert source.count("GET", "/v2/*/referrers/*") == 0


def test_the_name_comes_last(source: FakeRegistry, target: FakeRegistry, desk: Desk) -> None:
    sbom = attach(desk, at(source))
    copy(desk, at(source), at(target))
    order = [record.path.rpartition("/")[2] for record in target.requests("PUT", MANIFESTS)]
    assert order == [IMAGE.digest, sbom, "1.0"]


def test_what_does_not_belong_there_is_left_behind_with_a_warning(
    source: FakeRegistry, target: FakeRegistry, desk: Desk
) -> None:
    source.settings.referrers = False
    gone, stranger, good = artifact_on(IMAGE.digest, "gone"), artifact_on(INDEX.digest), artifact_on(IMAGE.digest)
    put(source, stranger)
    put(source, good)
    source.add_manifest(REPOSITORY, list_of(gone, stranger, good), OCI_INDEX, LIST_TAG)
    copy(desk, at(source), at(target))
    assert referrers(desk, at(target)) == [good.digest]
    assert target.manifest(REPOSITORY, stranger.digest) is None
    first, second = desk.warnings
    assert gone.digest in first
    assert "does not refer" in second


def test_a_chain_that_is_too_deep_is_cut_with_a_warning(source: FakeRegistry, target: FakeRegistry, desk: Desk) -> None:
    below = IMAGE.digest
    chain = [below := put(source, artifact_on(below, f"number {number}")) for number in range(12)]
    copy(desk, at(source), at(target))
    assert [target.manifest(REPOSITORY, digest) is not None for digest in chain] == [True] * 8 + [False] * 4
    (warning,) = desk.warnings
    assert "8 deep" in warning


class TestDigestTags:
    def test_the_tags_of_cosign_come_along(self, source: FakeRegistry, target: FakeRegistry, desk: Desk) -> None:
        signature = put(source, artifact_on(None), SIGNATURE)
        attestation = put(source, artifact_on(None, "attestation"), f"{LIST_TAG}.att")
        of_signature = f"{referrers_tag(parse_digest(signature))}.sig"
        put(source, artifact_on(None, "again"), of_signature)
        put(source, artifact_on(None, "of something else"), f"sha256-{'0' * 64}.sig")
        copy(desk, at(source), at(target), TAGS)
        tags = target.tags(REPOSITORY)
        assert tags.keys() == {"1.0", SIGNATURE, f"{LIST_TAG}.att", of_signature}
        assert (tags[SIGNATURE], tags[f"{LIST_TAG}.att"]) == (signature, attestation)

    def test_a_list_of_referrers_comes_along_and_joins_the_one_that_is_there(
        self, source: FakeRegistry, target: FakeRegistry, desk: Desk
    ) -> None:
        source.settings.referrers = target.settings.referrers = False
        ours = attach(desk, at(source))
        target.add_image(REPOSITORY, IMAGE, "1.0")
        theirs = artifact_on(IMAGE.digest)
        put(target, theirs)
        target.add_manifest(REPOSITORY, list_of(theirs), OCI_INDEX, LIST_TAG)
        copy(desk, at(source), at(target), TAGS)
        assert digests(listed(target)) == [theirs.digest, ours]

    def test_a_registry_that_lists_itself_gets_no_list(
        self, source: FakeRegistry, target: FakeRegistry, desk: Desk
    ) -> None:
        source.settings.referrers = False
        ours = attach(desk, at(source))
        copy(desk, at(source), at(target), TAGS)
        assert referrers(desk, at(target)) == [ours]
        assert target.tags(REPOSITORY).keys() == {"1.0"}

    def test_what_only_looks_like_a_list_is_copied_as_it_is(
        self, source: FakeRegistry, target: FakeRegistry, desk: Desk
    ) -> None:
        digest = put(source, artifact_on(None), LIST_TAG)
        copy(desk, at(source), at(target), TAGS)
        assert target.tags(REPOSITORY)[LIST_TAG] == digest

    def test_a_tag_that_leads_in_a_circle_ends(self, source: FakeRegistry, target: FakeRegistry, desk: Desk) -> None:
        source.add_manifest(REPOSITORY, IMAGE.manifest, IMAGE.media_type, SIGNATURE)
        copy(desk, at(source), at(target), TAGS)
        assert target.tags(REPOSITORY) == {SIGNATURE: IMAGE.digest, "1.0": IMAGE.digest}
        assert desk.warnings == []

    def test_in_a_layout_they_stand_beside_the_image(self, source: FakeRegistry, desk: Desk) -> None:
        put(source, artifact_on(None), SIGNATURE)
        copy(desk, at(source), "oci:layout", TAGS)
        names = {str(entry) for entry in Layout.open(desk.path("layout")).entries()}
        assert names == {at(source), at(source, SIGNATURE)}
        copy(desk, at(source), "oci:other:mine", TAGS)
        assert {entry.tag for entry in Layout.open(desk.path("other")).entries()} == {"mine", SIGNATURE}

    def test_out_of_a_layout_they_come_too(self, source: FakeRegistry, target: FakeRegistry, desk: Desk) -> None:
        put(source, artifact_on(None), SIGNATURE)
        copy(desk, at(source), "oci:layout", TAGS)
        copy(desk, f"oci:layout:{at(source)}", at(target, "2.0"), TAGS)
        assert target.tags(REPOSITORY).keys() == {SIGNATURE, "2.0"}


class TestPlaces:
    def test_through_a_layout_and_an_archive_nothing_is_lost(
        self, source: FakeRegistry, target: FakeRegistry, desk: Desk
    ) -> None:
        sbom = attach(desk, at(source))
        copy(desk, at(source), "oci:layout:1.0")
        copy(desk, "oci:layout:1.0", "oci-archive:image.tar:1.0")
        copy(desk, "oci-archive:image.tar:1.0", at(target))
        assert referrers(desk, "oci:layout:1.0") == [sbom]
        assert referrers(desk, at(target)) == [sbom]
        assert target.manifest(REPOSITORY, sbom) == source.manifest(REPOSITORY, sbom)
        assert [path.name for path in desk.directory.iterdir() if path.name.startswith(".ocibuild-")] == []

    def test_a_docker_archive_cannot_hold_them(self, source: FakeRegistry, desk: Desk) -> None:
        with pytest.raises(UsageError) as caught:
            copy(desk, at(source), "docker-archive:image.tar")
        assert "oci-archive" in str(caught.value.hint)
        assert source.requests() == []

    def test_what_a_layout_holds_is_not_fetched_again(self, source: FakeRegistry, desk: Desk) -> None:
        attach(desk, at(source))
        copy(desk, at(source), "oci:layout:1.0")
        fetched = source.count("GET", BLOBS)
        copy(desk, at(source), "oci:layout:again")
        assert source.count("GET", BLOBS) == fetched
        assert {outcome for _, outcome in desk.done(Stage.FETCH)[-4:]} == {"exists"}

    def test_between_repositories_of_one_registry_blobs_are_mounted(self, source: FakeRegistry, desk: Desk) -> None:
        attach(desk, at(source))
        source.journal.forget()
        copy(desk, at(source), f"{source.host}/mirror/app:1.0")
        assert source.count("GET", BLOBS) == 0
        posts = source.requests("POST", UPLOADS)
        assert posts, "each blob is asked for"
        assert all(record.request.value("from") == REPOSITORY for record in posts)
        assert source.count("PUT", "/v2/*/blobs/uploads/*") == 0


class TestAllTags:
    def copy_all(self, desk: Desk, source: str, destination: str, along: api.Along = NOTHING) -> list[str]:
        return [*map(str, api.copy_tags(desk.at(source), desk.at(destination), desk.places, along=along))]

    def test_every_tag_of_a_repository_goes_to_another(
        self, source: FakeRegistry, target: FakeRegistry, desk: Desk
    ) -> None:
        put(source, artifact_on(None), SIGNATURE)
        mirror = f"{target.host}/mirror/app"
        told = self.copy_all(desk, f"{source.host}/{REPOSITORY}", mirror)
        assert target.tags("mirror/app") == source.tags(REPOSITORY)
        assert told == [f"{mirror}:{tag}@{digest}" for tag, digest in sorted(source.tags(REPOSITORY).items())]

    def test_into_a_layout_they_keep_their_names_and_nothing_is_fetched_twice(
        self, source: FakeRegistry, desk: Desk
    ) -> None:
        source.add_image(REPOSITORY, IMAGE, "1", "latest")
        source.journal.forget()
        told = self.copy_all(desk, f"{source.host}/{REPOSITORY}", "oci:layout")
        layout = Layout.open(desk.path("layout"))
        assert {str(entry): str(entry.descriptor.digest) for entry in layout.entries()} == {
            at(source, tag): digest for tag, digest in source.tags(REPOSITORY).items()
        }
        assert told[0] == f"{at(source, '1')}@{IMAGE.digest}"
        blobs = [record.path for record in source.requests("GET", BLOBS)]
        assert len(blobs) == len(set(blobs))

    def test_lists_of_referrers_are_kept_by_the_destination_in_its_way(
        self, source: FakeRegistry, target: FakeRegistry, desk: Desk
    ) -> None:
        source.settings.referrers = False
        sbom = attach(desk, at(source))
        self.copy_all(desk, f"{source.host}/{REPOSITORY}", f"{target.host}/{REPOSITORY}")
        assert target.tags(REPOSITORY).keys() == {"1.0", "multi"}
        assert referrers(desk, at(target)) == [sbom]

    def test_with_referrers_a_registry_that_lists_them_is_asked(
        self, source: FakeRegistry, target: FakeRegistry, desk: Desk
    ) -> None:
        sbom = attach(desk, at(source))
        self.copy_all(desk, f"{source.host}/{REPOSITORY}", f"{target.host}/{REPOSITORY}", along=REFERRERS)
        assert referrers(desk, at(target)) == [sbom]

    @pytest.mark.parametrize(
        ("origin", "destination"),
        [
            ("127.0.0.1:9/team/app:1.0", "oci:layout"),
            ("127.0.0.1:9/team/app", "127.0.0.1:9/mirror/app:1.0"),
            ("127.0.0.1:9/team/app", "oci:layout:1.0"),
            ("127.0.0.1:9/team/app", "oci-archive:image.tar"),
            ("oci:layout", "127.0.0.1:9/mirror/app"),
        ],
    )
    def test_only_whole_repositories_have_tags(self, desk: Desk, tmp_path: Path, origin: str, destination: str) -> None:
        layout_with_image(tmp_path)
        with pytest.raises(UsageError) as caught:
            self.copy_all(desk, origin, destination)
        assert caught.value.hint
