"""Where a push goes, what it takes along from a layout or an archive, and on which terms."""

from __future__ import annotations

from typing import Any

import pytest

from ocibuild.errors import NotFoundError, RegistryError, StoreError, UsageError
from ocibuild.oci.blobs import Outcome
from tests.fake_registry import SESSIONS, FakeRegistry
from tests.fake_registry.fixtures import Run
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import HELLO, Desk, for_registry, records

# Destinations


def test_a_destination_takes_the_place_of_the_spec(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(f"image: ghcr.io/octocat/app\ntags: [v1, latest]\n{HELLO}")
    (pushed,) = desk.push(f"{fake_registry.host}/other/name")
    assert pushed.tags == ("v1", "latest")
    assert list(fake_registry.tags("other/name")) == ["v1", "latest"]


def test_a_destination_with_a_tag_gets_that_tag_alone(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(f"tags: [v1, latest]\n{HELLO}")
    desk.push(f"{fake_registry.host}/other/name:nightly")
    assert list(fake_registry.tags("other/name")) == ["nightly"]


def test_several_destinations_get_the_same_digest(desk: Desk, fake_registry: FakeRegistry, running: Run) -> None:
    second = running(FakeRegistry())
    (built,) = desk.build(HELLO)
    here, there = f"{fake_registry.host}/team/app", f"{second.host}/mirror/app"
    pushed = desk.push(f"{here}:v1", f"{here}:latest", f"{there}:v1")
    assert [(str(one.reference), one.tags) for one in pushed] == [
        (f"{here}@{built.descriptor.digest}", ("v1", "latest")),
        (f"{there}@{built.descriptor.digest}", ("v1",)),
    ]
    assert second.tags("mirror/app") == {"v1": str(built.descriptor.digest)}


def test_what_one_destination_has_the_next_one_of_its_registry_mounts(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(HELLO)
    _, second = desk.push(f"{fake_registry.host}/team/one:v1", f"{fake_registry.host}/team/two:v1")
    assert {outcome for _, outcome in second.transferred.outcomes} == {Outcome.MOUNTED}
    assert fake_registry.count("PUT", SESSIONS) == 2


def test_several_images_go_to_their_own_places(desk: Desk, fake_registry: FakeRegistry) -> None:
    built = desk.build(for_registry(fake_registry, "team/one"), for_registry(fake_registry, "team/two", "v2"))
    assert [one.reference.repository for one in desk.push()] == ["team/one", "team/two"]
    assert fake_registry.tags("team/one") == {"v1": str(built[0].descriptor.digest)}
    assert fake_registry.tags("team/two") == {"v2": str(built[1].descriptor.digest)}


@pytest.mark.parametrize(
    ("spec", "destinations", "terms", "message"),
    [
        ("tags: [v1]\n", (), {}, "nowhere to push to"),
        ("image: localhost:1/app\n", (), {}, "no tag to push"),
        ("", ("localhost:1/app",), {}, "no tag to push"),
        ("", (), {"by_digest": True}, "nowhere to push to"),
    ],
)
def test_a_push_that_leads_nowhere_says_what_is_missing(
    desk: Desk, spec: str, destinations: tuple[str, ...], terms: dict[str, Any], message: str
) -> None:
    desk.build(spec + HELLO)
    with pytest.raises(UsageError, match=message) as caught:
        desk.push(*destinations, **terms)
    assert "ocibuild.yaml:1:1" in (caught.value.where or "")
    assert caught.value.hint


@pytest.mark.parametrize("of", ["layout", "oci-archive:image.tar"])
def test_what_was_not_built_is_not_pushed(desk: Desk, fake_registry: FakeRegistry, of: str) -> None:
    desk.load(for_registry(fake_registry))
    with pytest.raises(StoreError, match="does not exist") as caught:
        desk.push(of=of)
    assert caught.value.hint == "run `ocibuild build` first"
    assert fake_registry.connections == 0


def test_another_image_in_the_layout_is_not_taken_for_it(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(for_registry(fake_registry, "team/other"))
    desk.load(for_registry(fake_registry))
    with pytest.raises(NotFoundError, match="is not in oci:") as caught:
        desk.push()
    assert caught.value.hint == "run `ocibuild build` first"
    assert fake_registry.connections == 0


@pytest.mark.parametrize("spec", ["tags: [v1]\n", "image: localhost/app\n", ""], ids=["tag", "image", "no name"])
def test_an_image_is_found_by_exactly_its_own_name(desk: Desk, fake_registry: FakeRegistry, spec: str) -> None:
    """Beside images of the same tag, and of the same repository under a tag."""
    for other in ("image: localhost/app\ntags: [v1]\n", "image: localhost/b\ntags: [v1]\n"):
        desk.build(other + HELLO)
    (built,) = desk.build(spec + HELLO.replace("hello from", "the one from"))
    (pushed,) = desk.push(f"{fake_registry.host}/team/app:pushed")
    assert pushed.reference.digest == built.descriptor.digest


@pytest.mark.parametrize("spec", ["tags: [v1]\n", "image: localhost/app\n", ""], ids=["tag", "image", "no name"])
def test_an_image_of_any_name_is_found_in_an_archive(desk: Desk, fake_registry: FakeRegistry, spec: str) -> None:
    (built,) = desk.build(spec + HELLO, to="oci-archive:image.tar")
    (pushed,) = desk.push(f"{fake_registry.host}/team/app:pushed", of="oci-archive:image.tar")
    assert pushed.reference.digest == built.descriptor.digest


# Terms


def test_by_digest_leaves_tags_alone(desk: Desk, fake_registry: FakeRegistry) -> None:
    (built,) = desk.build(for_registry(fake_registry))
    (pushed,) = desk.push(by_digest=True)
    assert fake_registry.tags("team/app") == {}
    assert pushed.tags == ()
    assert fake_registry.manifest("team/app", str(built.descriptor.digest)) is not None


def test_by_digest_needs_no_tag(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(HELLO)
    (pushed,) = desk.push(f"{fake_registry.host}/team/app", by_digest=True)
    assert fake_registry.manifest("team/app", str(pushed.reference.digest)) is not None


def test_no_clobber_moves_no_tag_and_sends_nothing(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    desk = new_desk()
    desk.build(for_registry(fake_registry))
    desk.push()
    before = fake_registry.tags("team/app")
    desk = new_desk()
    desk.build(for_registry(fake_registry, tags="new, v1").replace("hello from", "bye from"))
    fake_registry.forget()
    with pytest.raises(RegistryError, match="team/app:v1 is there already") as caught:
        desk.push(no_clobber=True)
    assert "--no-clobber" in (caught.value.hint or "")
    assert fake_registry.tags("team/app") == before
    assert {record.method for record in records(fake_registry)} == {"HEAD"}


def test_no_clobber_takes_new_tags_and_those_that_are_right(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    desk = new_desk()
    desk.build(for_registry(fake_registry))
    desk.push(no_clobber=True)
    desk = new_desk()
    desk.build(for_registry(fake_registry, tags="v1, latest"))
    desk.push(no_clobber=True)
    assert list(fake_registry.tags("team/app")) == ["v1", "latest"]


def test_a_tag_moves_unless_that_is_forbidden(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    desk = new_desk()
    desk.build(for_registry(fake_registry))
    desk.push()
    (second,) = desk.build(for_registry(fake_registry).replace("hello from", "bye from"))
    new_desk().push()
    assert fake_registry.tags("team/app") == {"v1": str(second.descriptor.digest)}
