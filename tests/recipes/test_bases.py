"""Bases: from every kind of place, the right child by platform, and their layers moved no further than they must."""

from __future__ import annotations

import json

import pytest

from ocibuild.errors import BuildError, NotFoundError, RegistryError
from ocibuild.oci.blobs import Outcome
from tests.fake_registry import (
    BLOBS,
    MANIFESTS,
    SESSIONS,
    UPLOADS,
    FakeRegistry,
    digest_of,
    error,
    image_of,
    index_of,
    layer_of,
)
from tests.fake_registry.fixtures import Run
from tests.oracles.layouts import image_for, read_layout
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import HELLO, Desk

LOW = layer_of({"low": b"low"})
AMD64 = image_of([LOW, layer_of({"arch": b"amd64"})])
ARM64 = image_of([LOW, layer_of({"arch": b"arm64"})], architecture="arm64")
BASE = index_of(AMD64, ARM64)
MULTI = "platforms: [linux/amd64, linux/arm64]\n"
NAME = "org.opencontainers.image.base.name"
DIGEST = "org.opencontainers.image.base.digest"


@pytest.fixture
def registry(fake_registry: FakeRegistry) -> FakeRegistry:
    """One that holds the base `team/base:v1`."""
    fake_registry.add_image("team/base", BASE, "v1", "latest")
    return fake_registry


def on(registry: FakeRegistry, name: str = "team/base:v1") -> str:
    """A spec for two platforms on that base, for `team/app:v1` of the same registry."""
    return f"image: {registry.host}/team/app\ntags: [v1]\n{MULTI}base: {registry.host}/{name}\n{HELLO}"


def sent(registry: FakeRegistry) -> set[str]:
    """The digests of the bodies that were put into upload sessions."""
    return {record.body_digest for record in registry.requests("PUT|PATCH", SESSIONS) if record.body_length}


def fetched(registry: FakeRegistry) -> set[str]:
    """The digests of the blobs whose bytes were asked for."""
    return {record.path.rpartition("/")[2] for record in registry.requests("GET", BLOBS)}


# From a registry


def test_each_platform_stands_on_its_own_child(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(on(registry))
    images = read_layout(desk.path())
    for platform, layers in (("linux/amd64", AMD64.layers), ("linux/arm64", ARM64.layers)):
        image = image_for(images, platform)
        assert [layer.descriptor["digest"] for layer in image.layers[:-1]] == list(map(digest_of, layers))
        assert list(image.layers[-1].contents()) == ["hello"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("team/base:v1", "team/base:v1"),
        ("team/base", "team/base:latest"),
        (f"team/base@{BASE.digest}", "team/base"),
        (f"team/base:v1@{BASE.digest}", "team/base:v1"),
    ],
    ids=["tag", "latest", "digest", "tag and digest"],
)
def test_the_base_is_recorded_by_name_and_digest(desk: Desk, registry: FakeRegistry, name: str, said: str) -> None:
    desk.build(on(registry, name))
    (image, _) = read_layout(desk.path())
    for document in (image.manifest, image.indexes[0]):
        assert document["annotations"] == {NAME: f"{registry.host}/{said}", DIGEST: BASE.digest}


def test_docker_format_records_the_base_in_labels(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(f"format: docker\n{on(registry)}")
    for image in read_layout(desk.path()):
        assert image.config["config"]["Labels"] == {NAME: f"{registry.host}/team/base:v1", DIGEST: BASE.digest}
        assert image.layers[0].media_type == "application/vnd.docker.image.rootfs.diff.tar.gzip"


def test_a_base_is_asked_for_once_however_many_images_stand_on_it(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(on(registry), on(registry).replace("team/app", "team/other"))
    assert registry.count("HEAD", MANIFESTS) == 1
    paths = [record.path for record in registry.requests("GET", BLOBS)]
    assert len(paths) == len(set(paths)) == 2 + 3  # two configs, three distinct layers


def test_a_tag_that_moves_during_the_build_is_looked_up_once(desk: Desk, registry: FakeRegistry) -> None:
    moved = index_of(image_of([layer_of({"new": b""})]), image_of([layer_of({"new": b""})], architecture="arm64"))
    registry.quirk("HEAD", "/v2/team/base/manifests/v1").call(lambda _: registry.add_image("team/base", moved, "v1"))
    desk.build(on(registry))
    images = read_layout(desk.path())
    assert {image.manifest["annotations"][DIGEST] for image in images} == {BASE.digest}
    assert {tuple(image.layers[0].contents()) for image in images} == {("low",)}


def test_a_platform_that_the_base_lacks_is_told_with_those_it_has(desk: Desk, registry: FakeRegistry) -> None:
    with pytest.raises(BuildError, match="has no image for linux/riscv64") as caught:
        desk.build(on(registry).replace("linux/arm64", "linux/riscv64"))
    assert caught.value.hint == "there are: linux/amd64, linux/arm64"
    assert (caught.value.where or "").endswith("ocibuild.yaml:5:7")
    assert not desk.path().exists()


def test_a_single_image_for_another_platform_is_refused(desk: Desk, registry: FakeRegistry) -> None:
    registry.add_image("team/single", ARM64, "v1")
    with pytest.raises(BuildError, match="is for linux/arm64, not for linux/amd64") as caught:
        desk.build(on(registry, "team/single:v1"))
    assert "base: {PLATFORM: REFERENCE}" in (caught.value.hint or "")


def test_a_base_for_each_platform(desk: Desk, registry: FakeRegistry) -> None:
    registry.add_image("team/arm", ARM64, "v1")
    spec = on(registry).replace(
        f"base: {registry.host}/team/base:v1",
        f"base: {{linux/amd64: '{registry.host}/team/base:v1', linux/arm64: '{registry.host}/team/arm:v1'}}",
    )
    desk.build(spec)
    (first, second) = read_layout(desk.path())
    assert first.manifest["annotations"][NAME].endswith("team/base:v1")
    assert second.manifest["annotations"][NAME].endswith("team/arm:v1")
    assert NAME not in first.indexes[0].get("annotations", {})  # nothing that would be true of both


def test_a_missing_base_names_the_tags_that_come_near(desk: Desk, registry: FakeRegistry) -> None:
    with pytest.raises(NotFoundError) as caught:
        desk.build(on(registry, "team/base:v2"))
    assert "v1" in (caught.value.hint or "")
    assert (caught.value.where or "").endswith("ocibuild.yaml:5:7")


# Layers of a base that a registry holds


def test_a_self_contained_layout_has_every_layer(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(on(registry))
    assert len(read_layout(desk.path())) == 2  # the oracle reads every blob
    assert fetched(registry) >= {digest_of(layer) for layer in (*AMD64.layers, *ARM64.layers)}


def test_a_sparse_layout_leaves_the_layers_where_they_are(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(on(registry), sparse=True)
    assert fetched(registry) == {digest_of(AMD64.config), digest_of(ARM64.config)}
    held = {path.name for path in desk.path("layout/blobs/sha256").iterdir()}
    assert not held & {digest_of(layer).partition(":")[2] for layer in (*AMD64.layers, *ARM64.layers)}
    assert len(json.loads(desk.path("layout/ocibuild-origins.json").read_bytes())) == 3


def test_both_ways_of_building_give_the_same_image(desk: Desk, registry: FakeRegistry) -> None:
    (whole,) = desk.build(on(registry))
    (sparse,) = desk.build(on(registry), to="sparse", sparse=True)
    assert whole.descriptor == sparse.descriptor


@pytest.mark.parametrize("to", ["oci-archive:image.tar", "docker-archive:image.tar"])
def test_an_archive_is_always_whole(desk: Desk, registry: FakeRegistry, to: str) -> None:
    desk.build(on(registry).replace(MULTI, ""), to=to, sparse=True)
    assert desk.path("image.tar").exists()
    assert fetched(registry) >= set(map(digest_of, AMD64.layers))


def test_base_layers_are_mounted_within_a_registry(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(on(registry), sparse=True)
    registry.forget()
    (pushed,) = desk.push()
    bases = {digest_of(layer) for layer in (*AMD64.layers, *ARM64.layers)}
    outcomes = {str(descriptor.digest): outcome for descriptor, outcome in pushed.transferred.outcomes}
    assert {outcomes[digest] for digest in bases} == {Outcome.MOUNTED}
    assert fetched(registry) == set()
    assert not sent(registry) & bases
    mounts = registry.requests("POST", UPLOADS, where=lambda request: request.value("mount") is not None)
    assert {record.request.value("from") for record in mounts} == {"team/base"}


def test_base_layers_that_the_target_has_are_left_alone(desk: Desk, registry: FakeRegistry) -> None:
    for layer in (*AMD64.layers, *ARM64.layers):
        registry.add_blob("team/app", layer)
    desk.build(on(registry), sparse=True)
    registry.forget()
    (pushed,) = desk.push()
    assert fetched(registry) == set()
    assert sorted(outcome for _, outcome in pushed.transferred.outcomes) == [Outcome.EXISTS] * 3 + [Outcome.SENT] * 4


def test_base_layers_travel_from_registry_to_registry_otherwise(
    desk: Desk, registry: FakeRegistry, running: Run
) -> None:
    target = running(FakeRegistry())
    desk.build(on(registry), sparse=True)
    desk.push(f"{target.host}/team/app:v1")
    bases = {digest_of(layer) for layer in (*AMD64.layers, *ARM64.layers)}
    assert fetched(registry) >= bases
    assert sent(target) >= bases
    assert all(target.blob("team/app", digest) is not None for digest in bases)
    assert not target.requests("POST", UPLOADS, where=lambda request: request.value("mount") is not None)


def test_a_registry_that_does_not_mount_gets_the_bytes(desk: Desk, registry: FakeRegistry) -> None:
    registry.settings.mount = "off"
    desk.build(on(registry), sparse=True)
    registry.forget()
    (pushed,) = desk.push()
    assert {outcome for _, outcome in pushed.transferred.outcomes} == {Outcome.SENT}
    assert sent(registry) >= {digest_of(layer) for layer in (*AMD64.layers, *ARM64.layers)}


def test_a_base_that_is_gone_by_the_time_of_the_push_is_named(desk: Desk, registry: FakeRegistry, running: Run) -> None:
    target = running(FakeRegistry())
    desk.build(on(registry), sparse=True)
    registry.contents.repositories.clear()
    with pytest.raises(NotFoundError, match="there is no blob sha256:") as caught:
        desk.push(f"{target.host}/team/app:v1")
    assert f"{registry.host}/team/base, which no longer has it" in (caught.value.hint or "")
    assert target.tags("team/app") == {}


def test_a_damaged_base_layer_is_not_kept(desk: Desk, registry: FakeRegistry) -> None:
    registry.quirk("GET", f"/v2/team/base/blobs/{digest_of(LOW)}").flip_byte(5)
    with pytest.raises(Exception, match=digest_of(LOW)):
        desk.build(on(registry))
    assert not desk.path(f"layout/blobs/sha256/{digest_of(LOW).partition(':')[2]}").exists()
    assert read_layout(desk.path()) == []


def test_a_refused_base_ends_the_build(new_desk: OpenDesk, registry: FakeRegistry) -> None:
    registry.on("GET|HEAD", MANIFESTS, times=None).reply(error(403, "DENIED"))
    desk = new_desk()
    with pytest.raises(RegistryError):
        desk.build(on(registry))
    assert not desk.path().exists()


def test_a_layout_on_disk_may_itself_have_left_its_base_elsewhere(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(on(registry), to="middle", sparse=True)
    desk.build(f"base: oci:middle\n{HELLO.replace('/hello', '/second')}")
    (image,) = read_layout(desk.path())
    assert [list(layer.contents()) for layer in image.layers] == [["low"], ["arch"], ["hello"], ["second"]]
