"""digest, ls and inspect: the same answers wherever an image is, and no layer opened for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from ocibuild import api
from ocibuild.errors import IntegrityError, NotFoundError, StoreError, UsageError
from ocibuild.oci.codec import encode
from ocibuild.oci.location import LocalLocation, RegistryLocation
from ocibuild.oci.media_type import OCI_MANIFEST
from ocibuild.oci.platform import parse_platform
from ocibuild.store.layout import Layout
from tests.fake_registry import BLOBS, FakeRegistry, digest_of
from tests.recipes.support import HELLO, Desk, at_registry

SPEC = f"image: localhost:5000/team/app\ntags: [v1]\nplatforms: [linux/amd64, linux/arm64]\n{HELLO}"
ARM64 = parse_platform("linux/arm64")
PLACES = ("registry", "oci", "oci-archive")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, desk: Desk, fake_registry: FakeRegistry) -> Iterator[str]:
    """An index in every kind of place that can hold one, under the tag `v1`."""
    (built,) = desk.build(SPEC, to="built")
    name = {
        "registry": f"{fake_registry.host}/team/app:v1",
        "oci": "oci:copy:v1",
        "oci-archive": "oci-archive:copy.tar:v1",
    }
    api.copy(desk.at("oci:built"), desk.at(name[request.param]), desk.places)
    fake_registry.forget()
    yield name[request.param]
    assert fake_registry.count("PUT|POST|PATCH|DELETE") == 0
    layers = {str(layer.digest) for image in built.images for layer in image.layers}
    opened = {record.path.rpartition("/")[2] for record in fake_registry.requests("GET", BLOBS)}
    assert not opened & layers


def test_digest(desk: Desk, place: str) -> None:
    (built,) = desk.build(SPEC, to="built")
    assert api.digest(desk.at(place), desk.places) == built.descriptor.digest
    assert api.digest(desk.at(place), desk.places, platform=ARM64) == built.images[1].descriptor.digest


def test_digest_of_a_digest(desk: Desk, place: str) -> None:
    (built,) = desk.build(SPEC, to="built")
    child = built.images[0].descriptor.digest
    by_digest = place.removesuffix(":v1") + ("@" if place.endswith("/app:v1") else ":") + str(child)
    assert api.digest(desk.at(by_digest), desk.places) == child


def test_inspect_shows_all_documents(desk: Desk, place: str) -> None:
    (built,) = desk.build(SPEC, to="built")
    found = api.inspect(desk.at(place), desk.places)
    assert found.root.descriptor.digest == built.descriptor.digest
    assert [node.descriptor.digest for node, _ in found.root.manifests()] == [
        image.descriptor.digest for image in built.images
    ]
    assert {digest: config.raw for digest, config in found.configs.items()} == {
        image.config_descriptor.digest: image.config for image in built.images
    }


def test_inspect_one_platform(desk: Desk, place: str) -> None:
    (built,) = desk.build(SPEC, to="built")
    found = api.inspect(desk.at(place), desk.places, platform=ARM64)
    assert found.root.document.raw == built.images[1].manifest
    assert list(found.configs) == [built.images[1].config_descriptor.digest]


def test_a_platform_that_is_not_there(desk: Desk, place: str) -> None:
    for look in (api.digest, api.inspect):
        with pytest.raises(NotFoundError, match="no image for linux/s390x") as caught:
            look(desk.at(place), desk.places, platform=parse_platform("linux/s390x"))
        assert caught.value.hint == "there are: linux/amd64, linux/arm64"


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_a_single_image_of_another_platform(desk: Desk, kind: str) -> None:
    desk.build(SPEC.replace("linux/amd64, linux/arm64", "linux/amd64"), to=f"{kind}:image")
    where = desk.at(f"{kind}:image")
    assert api.digest(where, desk.places, platform=parse_platform("linux/x86_64")) == api.digest(where, desk.places)
    copy = partial(api.copy, where, desk.at("oci:copy"), desk.places)
    for look in (partial(api.digest, where, desk.places), partial(api.inspect, where, desk.places), copy):
        with pytest.raises(NotFoundError, match="no image for linux/arm64") as caught:
            look(platform=ARM64)
        assert caught.value.hint == "there are: linux/amd64"
    assert not desk.path("copy").exists()


@pytest.mark.parametrize(
    "place_of", ["oci:built:v2", "oci-archive:nowhere.tar", "docker-archive:nowhere.tar", "oci:nowhere"]
)
def test_what_is_not_there(desk: Desk, place_of: str) -> None:
    desk.build(SPEC, to="built")
    with pytest.raises((NotFoundError, StoreError)):
        api.digest(desk.at(place_of), desk.places)


def test_a_tag_that_is_not_there_names_those_near_it(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.add_manifest("team/app", b"{}", OCI_MANIFEST, "v1.0", "v1.1")
    with pytest.raises(NotFoundError, match=r"there is no .*/team/app:v1$") as caught:
        api.digest(at_registry(f"{fake_registry.host}/team/app:v1"), desk.places)
    assert caught.value.hint == "there are 2 tags, such as v1.1, v1.0"


# ls


def local(desk: Desk, text: str) -> LocalLocation:
    location = desk.at(text)
    assert not isinstance(location, RegistryLocation)
    return location


def test_the_images_of_a_layout(desk: Desk) -> None:
    desk.build(SPEC, f"image: localhost:5000/team/other\ntags: [v1, v2]\n{HELLO}")
    assert [(str(entry), list(map(str, platforms))) for entry, platforms in api.images(local(desk, "oci:layout"))] == [
        ("localhost:5000/team/app:v1", ["linux/amd64", "linux/arm64"]),
        ("localhost:5000/team/other:v1", ["linux/amd64"]),
        ("localhost:5000/team/other:v2", ["linux/amd64"]),
    ]


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_the_images_of_an_archive(desk: Desk, kind: str) -> None:
    desk.build(SPEC.replace("linux/amd64, linux/arm64", "linux/arm64"), to=f"{kind}:image.tar")
    ((entry, platforms),) = api.images(local(desk, f"{kind}:image.tar"))
    assert (str(entry), list(map(str, platforms))) == ("localhost:5000/team/app:v1", ["linux/arm64"])


def test_an_empty_layout_has_no_images(desk: Desk) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - only what it leaves matters here
        desk.build("layers: [{files: [{copy: missing, to: /x}]}]")
    assert api.images(local(desk, "oci:layout")) == ()


def test_an_artifact_has_no_platforms(desk: Desk, fake_registry: FakeRegistry) -> None:
    layout = Layout.create(desk.path())
    config = layout.put_bytes(b"{}", "application/vnd.oci.empty.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "text/plain",
        "config": config.to_json(),
        "layers": [],
    }
    layout.name(layout.put_bytes(encode(manifest), OCI_MANIFEST), tag="note")
    ((_, platforms),) = api.images(local(desk, "oci:layout"))
    assert platforms == ()
    assert api.inspect(local(desk, "oci:layout"), desk.places).configs == {}


def test_tags_of_a_repository_are_sorted(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.settings.sorted_tags = False
    fake_registry.settings.default_page = 2
    fake_registry.add_manifest("team/app", b"{}", OCI_MANIFEST, "v2", "latest", "v1", "v10", "edge")
    assert api.tags(at_registry(f"{fake_registry.host}/team/app"), desk.places) == ("edge", "latest", "v1", "v10", "v2")


def test_tags_of_a_repository_that_is_not_there(desk: Desk, fake_registry: FakeRegistry) -> None:
    with pytest.raises(NotFoundError):
        api.tags(at_registry(f"{fake_registry.host}/team/app"), desk.places)


# Hostile documents


def test_indexes_that_nest_without_end_are_refused(desk: Desk, fake_registry: FakeRegistry) -> None:
    index = "application/vnd.oci.image.index.v1+json"
    raw = encode({"schemaVersion": 2, "mediaType": index, "manifests": []})
    for _ in range(12):
        fake_registry.add_manifest("team/app", raw, index)
        child = {"mediaType": index, "digest": digest_of(raw), "size": len(raw)}
        raw = encode({"schemaVersion": 2, "mediaType": index, "manifests": [child]})
    fake_registry.add_manifest("team/app", raw, index, "deep")
    deep = at_registry(f"{fake_registry.host}/team/app:deep")
    with pytest.raises(IntegrityError, match="nested more than 8 deep"):
        api.inspect(deep, desk.places)


def test_a_config_that_is_too_large_is_not_read(desk: Desk, fake_registry: FakeRegistry) -> None:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"x"), "size": 10**9}
    manifest = encode({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []})
    fake_registry.add_manifest("team/app", manifest, OCI_MANIFEST, "v1")
    with pytest.raises(IntegrityError, match="has 1000000000 bytes"):
        api.inspect(at_registry(f"{fake_registry.host}/team/app:v1"), desk.places)
    assert fake_registry.count("GET", BLOBS) == 0


def test_a_name_that_means_several_images_is_a_question(desk: Desk) -> None:
    desk.build(SPEC, f"image: localhost:5000/team/other\ntags: [v1]\n{HELLO}")
    with pytest.raises(UsageError, match="means several images") as caught:
        api.digest(desk.at("oci:layout:v1"), desk.places)
    assert caught.value.hint == "name one of: localhost:5000/team/app:v1, localhost:5000/team/other:v1"
