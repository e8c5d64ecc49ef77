"""plan: what a push would do, without doing any of it; and a push that does then exactly that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocibuild import api
from ocibuild.oci.blobs import Outcome
from ocibuild.oci.reference import parse_reference
from tests.fake_registry import MANIFESTS, SESSIONS, FakeRegistry, image_of, layer_of
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import HELLO, Desk, records, rules

FATES = {Outcome.EXISTS: api.Fate.EXISTS, Outcome.MOUNTED: api.Fate.MOUNT, Outcome.SENT: api.Fate.UPLOAD}
BASE = image_of([layer_of({"base": b"base"})])
SECOND = "  - {name: second, files: [{text: second, to: /second}]}\n"


def spec(registry: FakeRegistry, name: str = "team/app", tags: str = "v1", base: str = "") -> str:
    on = f"base: {registry.host}/{base}\n" if base else ""
    return f"image: {registry.host}/{name}\ntags: [{tags}]\n{on}{HELLO}"


def check_against_a_push(new_desk: OpenDesk, registry: FakeRegistry, *destinations: str) -> tuple[api.PushPlan, ...]:
    """Plans, pushes, and compares what was planned with what the registry saw. Gives the plans."""
    planned = new_desk().plan(*destinations)
    assert {record.method for record in records(registry)} <= {"HEAD", "GET"}, "a plan has written something"
    registry.forget()
    pushed = new_desk().push(*destinations)
    asked = records(registry)
    for plan, done in zip(planned, pushed, strict=True):
        assert {blob.digest: fate for blob, fate in plan.blobs} == {
            blob.digest: FATES[outcome] for blob, outcome in done.transferred.outcomes
        }
    bodies = [record for record in asked if record.method == "PUT" and not record.path.endswith(("/v1", "/latest"))]
    assert sum(plan.upload_bytes for plan in planned) == sum(record.body_length for record in bodies)
    assert sum(plan.requests for plan in planned) == len(asked)
    return planned


def test_an_empty_registry_gets_everything(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    desk = new_desk()
    (built,) = desk.build(f"platforms: [linux/amd64, linux/arm64]\n{spec(fake_registry, tags='v1, latest')}")
    (plan,) = check_against_a_push(new_desk, fake_registry)
    assert {fate for _, fate in (*plan.blobs, *plan.manifests)} == {api.Fate.UPLOAD}
    assert len(plan.blobs) == 4
    assert [descriptor.digest for descriptor, _ in plan.manifests][-1] == built.descriptor.digest
    assert plan.moves == (
        api.Move("v1", None, built.descriptor.digest),
        api.Move("latest", None, built.descriptor.digest),
    )
    assert all(move.changes for move in plan.moves)
    assert plan.findings == ()


def test_an_unchanged_image_costs_a_look_at_everything(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    new_desk().build(spec(fake_registry))
    new_desk().push()
    fake_registry.forget()
    (plan,) = check_against_a_push(new_desk, fake_registry)
    assert {fate for _, fate in (*plan.blobs, *plan.manifests)} == {api.Fate.EXISTS}
    assert plan.upload_bytes == 0
    assert plan.requests == 2 + 1 + 1
    assert [move.changes for move in plan.moves] == [False]


def test_a_changed_image_gets_its_new_layer_and_moves_the_tag(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    (first,) = new_desk().build(spec(fake_registry) + SECOND)
    new_desk().push()
    fake_registry.forget()
    (second,) = new_desk().build(spec(fake_registry) + SECOND.replace("text: second", "text: changed"))
    (plan,) = check_against_a_push(new_desk, fake_registry)
    assert sorted(fate for _, fate in plan.blobs) == [api.Fate.EXISTS, api.Fate.UPLOAD, api.Fate.UPLOAD]
    assert plan.moves == (api.Move("v1", first.descriptor.digest, second.descriptor.digest),)
    uploads = [plan.titles.get(blob.digest) for blob, fate in plan.blobs if fate is api.Fate.UPLOAD]
    assert set(uploads) == {"second", None}  # the config is no layer of the spec
    assert {plan.parts[blob.digest].split()[0] for blob, fate in plan.blobs} == {"app", "second", "config"}


def test_layers_of_a_base_in_the_same_registry_are_mounted(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/base", BASE, "v1")
    new_desk().build(spec(fake_registry, base="team/base:v1"), sparse=True)
    fake_registry.forget()
    (plan,) = check_against_a_push(new_desk, fake_registry)
    assert sorted(fate for _, fate in plan.blobs) == [api.Fate.MOUNT, api.Fate.UPLOAD, api.Fate.UPLOAD]


def test_layers_of_a_base_that_is_gone_count_as_uploads(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/base", BASE, "v1")
    new_desk().build(spec(fake_registry, base="team/base:v1"), sparse=True)
    del fake_registry.contents.repositories["team/base"]
    (plan,) = new_desk().plan()
    assert {fate for _, fate in plan.blobs} == {api.Fate.UPLOAD}


def test_a_second_destination_takes_from_the_first(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    new_desk().build(spec(fake_registry))
    one, two = f"{fake_registry.host}/team/one:v1", f"{fake_registry.host}/team/two:v1"
    first, second = check_against_a_push(new_desk, fake_registry, one, two)
    assert {fate for _, fate in first.blobs} == {api.Fate.UPLOAD}
    assert {fate for _, fate in second.blobs} == {api.Fate.MOUNT}


def test_two_images_for_one_repository_share_their_layers(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    new_desk().build(
        spec(fake_registry) + SECOND, spec(fake_registry, tags="latest") + SECOND.replace("second", "third")
    )
    first, second = new_desk().plan()
    shared = {blob.digest for blob, _ in first.blobs} & {blob.digest for blob, _ in second.blobs}
    assert [fate for blob, fate in second.blobs if blob.digest in shared] == [api.Fate.EXISTS]
    pushed = new_desk().push()
    assert sum(plan.upload_bytes for plan in (first, second)) - sum(
        one.transferred.sent_bytes for one in pushed
    ) == sum(descriptor.size for plan in (first, second) for descriptor, _ in plan.manifests)


def test_by_digest_moves_no_tag(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    new_desk().build(spec(fake_registry))
    (plan,) = new_desk().plan(by_digest=True)
    assert plan.moves == ()


# Findings and time


def test_what_would_be_refused_is_told_with_all_the_rest(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    new_desk().build(f"metadata: {{description: {'x' * 513}}}\n{spec(fake_registry)}")
    (plan,) = new_desk().plan()
    assert rules(plan.findings) == ["description-too-long", "description-too-long"]
    assert len(plan.blobs) == 2
    assert fake_registry.count("PUT|POST|PATCH") == 0


@pytest.mark.parametrize(("no_clobber", "expected"), [(True, ["tag-moves"]), (False, [])])
def test_a_tag_that_must_not_move_is_a_finding(
    new_desk: OpenDesk, fake_registry: FakeRegistry, no_clobber: bool, expected: list[str]
) -> None:
    new_desk().build(spec(fake_registry))
    new_desk().push()
    new_desk().build(spec(fake_registry, tags="new, v1") + SECOND)
    (plan,) = new_desk().plan(no_clobber=no_clobber)
    assert rules(plan.findings) == expected
    assert all(finding.is_error and "team/app:v1 is there already" in finding.message for finding in plan.findings)


def test_time_is_bytes_by_rate(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(spec(fake_registry))
    (plan,) = desk.plan()
    assert plan.seconds(1) == plan.upload_bytes
    assert plan.seconds(1e6) == plan.upload_bytes / 1e6


@pytest.mark.parametrize(("seconds", "rate", "slow"), [(10, 1.0, 2), (10, 1e6, 0), (None, 1.0, 0)])
def test_blobs_that_the_registry_would_cut_off_are_named(
    desk: Desk, fake_registry: FakeRegistry, seconds: int | None, rate: float, slow: int
) -> None:
    desk.build(spec(fake_registry))
    profile = replace(api.profile_named("ghcr"), upload_seconds=seconds)
    (plan,) = desk.plan(profile=profile)
    assert len(plan.too_slow(rate)) == slow
    assert plan.profile is profile


def test_only_what_travels_can_be_too_slow(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    new_desk().build(spec(fake_registry))
    new_desk().push()
    (plan,) = new_desk().plan(profile=replace(api.profile_named("ghcr"), upload_seconds=1))
    assert plan.too_slow(0.001) == ()


def test_the_profile_is_that_of_the_host(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(spec(fake_registry))
    (plan,) = desk.plan()
    assert (plan.profile.name, plan.too_slow(0.001)) == ("generic", ())
    assert api.Terms().profile_of(parse_reference("ghcr.io/octocat/hello")).name == "ghcr"


def test_a_registry_that_mounts_nothing_costs_what_it_costs(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    """The plan hopes; the push copes."""
    fake_registry.add_image("team/base", BASE, "v1")
    fake_registry.settings.mount = "off"
    new_desk().build(spec(fake_registry, base="team/base:v1"), sparse=True)
    (plan,) = new_desk().plan()
    assert api.Fate.MOUNT in {fate for _, fate in plan.blobs}
    fake_registry.forget()
    new_desk().push()
    assert fake_registry.count("PUT", SESSIONS) == 3
    assert fake_registry.count("PUT", MANIFESTS) == 2
