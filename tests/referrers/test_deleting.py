"""Deleting in registries: exactly what was named, or a reason and a way."""

from __future__ import annotations

import pytest

from ocibuild import api
from ocibuild.errors import NotFoundError, RegistryError
from ocibuild.registry.explain import to_error
from ocibuild.registry.refusal import Refusal, RefusedError
from tests.fake_registry import MANIFESTS, FakeRegistry
from tests.fake_registry.manifests import OCI_INDEX
from tests.recipes.support import Desk
from tests.referrers.support import (
    IMAGE,
    LIST_TAG,
    REPOSITORY,
    artifact_on,
    at,
    attach,
    digests,
    listed,
    put,
    referrers,
)


@pytest.fixture
def registry(fake_registry: FakeRegistry) -> FakeRegistry:
    fake_registry.add_image(REPOSITORY, IMAGE, "1.0", "latest")
    return fake_registry


def test_a_tag_goes_alone(registry: FakeRegistry, desk: Desk) -> None:
    assert api.delete(desk.at(at(registry)), desk.places) == (at(registry),)
    assert registry.tags(REPOSITORY) == {"latest": IMAGE.digest}
    assert registry.count("DELETE", f"/v2/{REPOSITORY}/manifests/1.0") == 1
    assert registry.count("DELETE") == 1


def test_with_a_digest_go_the_image_and_its_tags(registry: FakeRegistry, desk: Desk) -> None:
    name = f"{registry.host}/{REPOSITORY}@{IMAGE.digest}"
    assert api.delete(desk.at(name), desk.places) == (name,)
    assert registry.tags(REPOSITORY) == {}
    assert registry.manifest(REPOSITORY, IMAGE.digest) is None


def test_a_digest_decides_over_the_tag_beside_it_and_is_what_is_told(registry: FakeRegistry, desk: Desk) -> None:
    told = api.delete(desk.at(f"{at(registry)}@{IMAGE.digest}"), desk.places)
    assert told == (f"{registry.host}/{REPOSITORY}@{IMAGE.digest}",)
    assert registry.tags(REPOSITORY) == {}


def test_a_registry_without_deletion_of_tags_keeps_the_image_that_others_share(
    registry: FakeRegistry, desk: Desk
) -> None:
    registry.settings.tag_deletes = False
    with pytest.raises(RegistryError, match="400") as caught:
        api.delete(desk.at(at(registry)), desk.places)
    assert "by digest only" in str(caught.value.hint)
    assert registry.tags(REPOSITORY) == {"1.0": IMAGE.digest, "latest": IMAGE.digest}


def test_a_registry_without_deletion_says_so(registry: FakeRegistry, desk: Desk) -> None:
    registry.settings.deletes = False
    with pytest.raises(RegistryError, match="405") as caught:
        api.delete(desk.at(at(registry)), desk.places)
    assert "switched off" in str(caught.value.hint)


def test_ghcr_deletes_elsewhere() -> None:
    refusal = Refusal("DELETE", "https://ghcr.io/v2/octocat/hello/manifests/1.0", 405, ("UNSUPPORTED",))
    error = to_error(RefusedError(refusal), host="ghcr.io", subject="to delete ghcr.io/octocat/hello:1.0")
    assert "REST API" in str(error.hint)
    assert "package's page" in str(error.hint)


def test_what_is_not_there_cannot_go(registry: FakeRegistry, desk: Desk) -> None:
    for name in (":2.0", f"@sha256:{'0' * 64}"):
        with pytest.raises(NotFoundError):
            api.delete(desk.at(f"{registry.host}/{REPOSITORY}{name}"), desk.places)


def test_an_artifact_is_struck_off_the_list_that_clients_keep(registry: FakeRegistry, desk: Desk) -> None:
    registry.settings.referrers = False
    one, two = attach(desk, at(registry), "one"), attach(desk, at(registry), "two")
    for gone, left in ((one, [two]), (two, [])):
        api.delete(desk.at(f"{registry.host}/{REPOSITORY}@{gone}"), desk.places)
        assert registry.manifest(REPOSITORY, gone) is None
        assert digests(listed(registry)) == left
        assert referrers(desk, at(registry)) == left


def test_where_the_registry_lists_no_list_is_made(registry: FakeRegistry, desk: Desk) -> None:
    artifact = attach(desk, at(registry))
    api.delete(desk.at(f"{registry.host}/{REPOSITORY}@{artifact}"), desk.places)
    assert listed(registry) is None
    assert referrers(desk, at(registry)) == []


def test_an_artifact_that_nobody_listed_goes_without_a_list(registry: FakeRegistry, desk: Desk) -> None:
    registry.settings.referrers = False
    digest = put(registry, artifact_on(IMAGE.digest))
    api.delete(desk.at(f"{registry.host}/{REPOSITORY}@{digest}"), desk.places)
    assert listed(registry) is None


def test_a_list_is_not_touched_where_nothing_was_deleted(registry: FakeRegistry, desk: Desk) -> None:
    registry.settings.referrers = False
    artifact = attach(desk, at(registry))
    registry.settings.deletes = False
    with pytest.raises(RegistryError):
        api.delete(desk.at(f"{registry.host}/{REPOSITORY}@{artifact}"), desk.places)
    assert digests(listed(registry)) == [artifact]


def test_a_damaged_manifest_can_go(registry: FakeRegistry, desk: Desk) -> None:
    digest = registry.add_manifest(REPOSITORY, b'{"subject": broken', OCI_INDEX, "broken", digest=f"sha256:{'1' * 64}")
    api.delete(desk.at(f"{registry.host}/{REPOSITORY}@{digest}"), desk.places)
    assert registry.manifest(REPOSITORY, digest) is None


def test_what_of_a_type_that_we_cannot_read_can_go(registry: FakeRegistry, desk: Desk) -> None:
    digest = registry.add_manifest(REPOSITORY, b"{}", "application/vnd.oci.artifact.manifest.v1+json")
    api.delete(desk.at(f"{registry.host}/{REPOSITORY}@{digest}"), desk.places)
    assert registry.manifest(REPOSITORY, digest) is None


def test_a_lost_change_of_the_list_is_made_again(registry: FakeRegistry, desk: Desk) -> None:
    registry.settings.referrers = False
    one = attach(desk, at(registry))
    rule = registry.on("PUT", f"/v2/{REPOSITORY}/manifests/{LIST_TAG}")
    before = registry.manifest(REPOSITORY, LIST_TAG)
    assert before is not None
    rule.call(lambda _: registry.add_manifest(REPOSITORY, before.data, OCI_INDEX, LIST_TAG))
    api.delete(desk.at(f"{registry.host}/{REPOSITORY}@{one}"), desk.places)
    assert one not in digests(listed(registry))
    assert registry.count("PUT", MANIFESTS) == 4
