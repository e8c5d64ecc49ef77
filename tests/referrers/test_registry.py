"""Registries that list referrers, that do not, and that say so in odd ways."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ocibuild import api
from ocibuild.errors import AuthError, RegistryError
from ocibuild.oci.platform import parse_platform
from tests.fake_registry import MANIFESTS, REFERRERS, FakeRegistry, digest_of
from tests.fake_registry.manifests import OCI_INDEX, OCI_MANIFEST
from tests.fake_registry.messages import Reply, Request, document
from tests.recipes.support import Desk
from tests.referrers.support import (
    IMAGE,
    INDEX,
    LIST_TAG,
    NOTES,
    REPOSITORY,
    SBOM,
    Artifact,
    artifact_on,
    at,
    attach,
    digests,
    list_of,
    listed,
    put,
    referrers,
)

LIST = f"/v2/{REPOSITORY}/manifests/{LIST_TAG}"


@pytest.fixture
def registry(fake_registry: FakeRegistry) -> FakeRegistry:
    """One with an image and an index, and the referrers API."""
    fake_registry.add_image(REPOSITORY, IMAGE, "1.0")
    fake_registry.add_image(REPOSITORY, INDEX, "multi")
    return fake_registry


@pytest.fixture
def plain(registry: FakeRegistry) -> FakeRegistry:
    """The same without the API."""
    registry.settings.referrers = False
    return registry


def test_where_the_registry_lists_it_no_list_is_kept(registry: FakeRegistry, desk: Desk) -> None:
    artifact = attach(desk, at(registry))
    assert listed(registry) is None
    assert referrers(desk, at(registry)) == [artifact]


def test_where_it_does_not_a_tag_lists_it_with_type_and_annotations(plain: FakeRegistry, desk: Desk) -> None:
    artifact = attach(desk, at(plain), annotations={"a": "1", "b": "2"})
    (entry,) = listed(plain) or []
    assert entry["digest"] == artifact
    assert entry["artifactType"] == SBOM
    assert entry["annotations"] == {"a": "1", "b": "2"}
    found = plain.manifest(REPOSITORY, artifact)
    assert found is not None
    assert entry["size"] == len(found.data)
    assert referrers(desk, at(plain)) == [artifact]


def test_a_second_artifact_joins_the_list_and_the_first_is_not_there_twice(plain: FakeRegistry, desk: Desk) -> None:
    one, two = attach(desk, at(plain), "one"), attach(desk, at(plain), "two", type=NOTES)
    before = plain.count("PUT")
    assert attach(desk, at(plain), "one") == one
    assert plain.count("PUT") == before, "nothing is sent twice"
    assert digests(listed(plain)) == [one, two]
    assert referrers(desk, at(plain), artifact_type=NOTES) == [two]
    assert referrers(desk, at(plain), artifact_type="application/other") == []


def test_what_was_put_but_not_listed_is_listed_by_the_next_attempt(plain: FakeRegistry, desk: Desk) -> None:
    plain.on("PUT", LIST).respond(400, body="no")
    with pytest.raises(RegistryError):
        attach(desk, at(plain))
    assert listed(plain) is None
    artifact = attach(desk, at(plain))
    assert digests(listed(plain)) == [artifact]


def test_a_list_of_another_client_gets_what_it_lacks_and_loses_nothing(plain: FakeRegistry, desk: Desk) -> None:
    theirs = artifact_on(IMAGE.digest)
    put(plain, theirs)
    ours = attach(desk, at(plain))
    found = plain.manifest(REPOSITORY, ours)
    assert found is not None
    plain.add_manifest(REPOSITORY, list_of(theirs, Artifact(found.data)), OCI_INDEX, LIST_TAG)
    attach(desk, at(plain))
    first, second = listed(plain) or []
    assert first == theirs.descriptor, "what others wrote stays as it is"
    assert (second["digest"], second["artifactType"]) == (ours, SBOM)


def test_a_lost_update_is_found_out_and_made_again(plain: FakeRegistry, desk: Desk) -> None:
    theirs = artifact_on(IMAGE.digest)
    put(plain, theirs)

    def overwrite(_: Request) -> None:  # they read the list before we wrote, and write after us
        plain.add_manifest(REPOSITORY, list_of(theirs), OCI_INDEX, LIST_TAG)

    plain.on("PUT", LIST).call(overwrite)
    ours = attach(desk, at(plain))
    assert digests(listed(plain)) == [theirs.digest, ours]
    assert plain.count("PUT", LIST) == 2
    assert len(desk.waits) == 2, "a short while after each write it is looked at again"


def test_a_list_that_never_keeps_what_is_written_ends_the_attempts(plain: FakeRegistry, desk: Desk) -> None:
    plain.quirk("PUT", LIST).call(lambda _: plain.add_manifest(REPOSITORY, list_of(), OCI_INDEX, LIST_TAG))
    with pytest.raises(RegistryError, match="does not keep our change") as caught:
        attach(desk, at(plain))
    assert plain.count("PUT", LIST) == 7
    assert sum(desk.waits) < 60
    assert caught.value.hint


def test_a_tag_that_is_used_for_something_else_is_left_alone(plain: FakeRegistry, desk: Desk) -> None:
    plain.add_manifest(REPOSITORY, IMAGE.manifest, IMAGE.media_type, LIST_TAG)
    for work in (attach, referrers):
        with pytest.raises(RegistryError, match="is something else") as caught:
            work(desk, at(plain))
        assert LIST_TAG in caught.value.what
        assert caught.value.hint
    assert plain.tags(REPOSITORY)[LIST_TAG] == IMAGE.digest


def test_entries_whose_manifests_are_gone_do_not_stand_in_the_way(plain: FakeRegistry, desk: Desk) -> None:
    gone = artifact_on(IMAGE.digest, "deleted by hand")
    plain.add_manifest(REPOSITORY, list_of(gone), OCI_INDEX, LIST_TAG)
    ours = attach(desk, at(plain))
    assert digests(listed(plain)) == [ours]


@pytest.mark.parametrize("status", [400, 401, 404, 405, 501])
def test_each_way_to_have_no_api_leads_to_the_tag(plain: FakeRegistry, desk: Desk, status: int) -> None:
    artifact = attach(desk, at(plain))
    plain.on("GET", REFERRERS, times=None).respond(status, body="<html>no</html>")
    assert referrers(desk, at(plain)) == [artifact]


def test_a_start_page_in_place_of_a_list_leads_to_the_tag(plain: FakeRegistry, desk: Desk) -> None:
    artifact = attach(desk, at(plain))
    plain.on("GET", REFERRERS, times=None).respond(200, {"Content-Type": "text/html"}, "<html>Welcome!</html>")
    assert referrers(desk, at(plain)) == [artifact]


def test_who_may_not_look_does_not_read_that_there_is_nothing(registry: FakeRegistry, desk: Desk) -> None:
    registry.on("GET", REFERRERS, times=None).respond(403, body='{"errors":[{"code":"DENIED"}]}')
    with pytest.raises(AuthError):
        referrers(desk, at(registry))


def test_an_acknowledgement_of_another_subject_does_not_count(registry: FakeRegistry, desk: Desk) -> None:
    registry.quirk("PUT", MANIFESTS).header("OCI-Subject", digest_of(b"another"))
    artifact = attach(desk, at(registry))
    assert digests(listed(registry)) == [artifact]


def paged(pages: list[list[Artifact]], last: str = "") -> Callable[[Request], Reply]:
    """Replies with one page after the other, each with a Link to the next, and `last` on the last."""

    def answer(request: Request) -> Reply:
        number = int(request.value("page") or 0)
        body = json.loads(list_of(*pages[number]))
        link = f"<{request.path}?page={number + 1}>" if number + 1 < len(pages) else last
        reply = document(200, body, OCI_INDEX)
        return reply.with_header("Link", f'{link}; rel="next"') if link else reply

    return answer


def test_all_pages_are_read_and_what_is_on_two_counts_once(registry: FakeRegistry, desk: Desk) -> None:
    one, two, three = (artifact_on(IMAGE.digest, name) for name in ("one", "two", "three"))
    registry.on("GET", REFERRERS, times=None).reply_with(paged([[one, two], [two], [three]]))
    assert sorted(referrers(desk, at(registry))) == sorted(each.digest for each in (one, two, three))
    assert registry.count("GET", REFERRERS) == 3


def test_pages_that_go_in_circles_end(registry: FakeRegistry, desk: Desk) -> None:
    circle = f"</v2/{REPOSITORY}/referrers/{IMAGE.digest}?page=0>"
    registry.on("GET", REFERRERS, times=None).reply_with(paged([[], []], last=circle))
    with pytest.raises(RegistryError, match="no end"):
        referrers(desk, at(registry))
    assert registry.count("GET", REFERRERS) <= 4


def test_a_registry_that_does_not_filter_is_helped_out(registry: FakeRegistry, desk: Desk) -> None:
    one, two = attach(desk, at(registry), "one"), attach(desk, at(registry), "two", type=NOTES)
    assert registry.count("GET", REFERRERS) == 0, "what the registry acknowledged needs no question"
    assert referrers(desk, at(registry), artifact_type=SBOM) == [one]
    (asked,) = registry.requests("GET", REFERRERS)
    assert asked.query == "artifactType=application%2Fspdx%2Bjson"
    everything = registry.quirk("GET", REFERRERS)
    everything.edit(lambda _, reply: document(200, json.loads(list_of()) | {"manifests": all_of(registry)}, OCI_INDEX))
    assert referrers(desk, at(registry), artifact_type=NOTES) == [two]


def all_of(registry: FakeRegistry) -> list[dict[str, object]]:
    manifests = registry.contents.existing(REPOSITORY).manifests.items()
    return [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(found.data), "artifactType": kind}
        for digest, found in manifests
        if (kind := json.loads(found.data).get("artifactType"))
    ]


def test_to_an_index_or_to_one_of_its_images(plain: FakeRegistry, desk: Desk) -> None:
    arm = parse_platform("linux/arm64")
    whole, part = attach(desk, at(plain, "multi")), attach(desk, at(plain, "multi"), platform=arm)
    assert whole != part
    assert referrers(desk, at(plain, "multi")) == [whole]
    assert referrers(desk, at(plain, "multi"), platform=arm) == [part]
    assert api.referrers(desk.at(at(plain, "multi")), desk.places).subject.digest.encoded in INDEX.digest


def test_nothing_refers_to_an_image_that_nobody_attached_to(plain: FakeRegistry, desk: Desk) -> None:
    assert referrers(desk, at(plain)) == []
