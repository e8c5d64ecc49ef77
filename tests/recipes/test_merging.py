"""index create: images that were built apart, one platform a runner, under one index."""

from __future__ import annotations

import json

import pytest

from ocibuild import api
from ocibuild.errors import BuildError, NotFoundError, UsageError
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.media_type import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from ocibuild.oci.platform import Platform
from ocibuild.store.layout import Layout
from tests.fake_registry import BLOBS, SESSIONS, UPLOADS, FakeRegistry
from tests.fake_registry.fixtures import Run
from tests.oracles.layouts import read_layout
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import HELLO, Desk, records

DESCRIPTION = "org.opencontainers.image.description"
TWO = ("linux/amd64", "linux/arm64")
SPEC = f"""platforms: [linux/amd64, linux/arm64]
metadata: {{description: Says hello, source: "https://example.org/hello"}}
{HELLO}"""


def for_registry(registry: FakeRegistry) -> str:
    return f"image: {registry.host}/team/app\ntags: [v1]\n{SPEC}"


def push_apart(new_desk: OpenDesk, registry: FakeRegistry) -> list[str]:
    """Each platform built and pushed by digest, as by a runner of its own; gives their references."""
    pushed: list[str] = []
    for platform in TWO:
        desk, layout = new_desk(), platform.replace("/", "-")
        desk.build(for_registry(registry), to=layout, platforms=(platform,))
        pushed += (str(one.reference) for one in desk.push(of=layout, by_digest=True))
    return pushed


def merge(desk: Desk, destination: str, *sources: str, **more: object) -> Descriptor:
    return api.create_index(desk.at(destination), [desk.at(each) for each in sources], desk.places, **more)  # type: ignore[arg-type]


def test_the_merged_index_is_the_one_that_a_single_run_makes(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    (whole,) = new_desk().build(for_registry(fake_registry), to="whole")
    sources = push_apart(new_desk, fake_registry)
    assert fake_registry.tags("team/app") == {}
    merged = merge(new_desk(), f"{fake_registry.host}/team/app:v1", *sources)
    assert merged == whole.descriptor
    held = fake_registry.manifest("team/app", "v1")
    assert held is not None
    whole_index = new_desk().path("whole/blobs/sha256") / whole.descriptor.digest.encoded
    assert held.data == whole_index.read_bytes()
    assert fake_registry.tags("team/app") == {"v1": str(whole.descriptor.digest)}


def test_nothing_but_the_index_is_sent(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    sources = push_apart(new_desk, fake_registry)
    fake_registry.forget()
    merge(new_desk(), f"{fake_registry.host}/team/app:v1", *sources)
    assert fake_registry.count("POST", UPLOADS) == 0
    assert fake_registry.count("GET", BLOBS) == 2  # the configs, which say for which platforms the images are
    puts = [record.path for record in records(fake_registry) if record.method == "PUT"]
    assert len(puts) == 2  # the index by digest, then its tag
    assert puts[-1].endswith("/manifests/v1")


@pytest.mark.parametrize("places", [("oci:one", "oci:two"), ("oci-archive:one.tar", "oci:two")])
def test_layouts_and_archives_are_sources_too(
    new_desk: OpenDesk, fake_registry: FakeRegistry, places: tuple[str, str]
) -> None:
    (whole,) = new_desk().build(for_registry(fake_registry), to="whole")
    for platform, place in zip(TWO, places, strict=True):
        new_desk().build(for_registry(fake_registry), to=place.removeprefix("oci:"), platforms=(platform,))
    merged = merge(new_desk(), f"{fake_registry.host}/team/app:v1", *places)
    assert merged == whole.descriptor
    merge(new_desk(), "oci:merged:v1", *places)
    assert [image.names for image in read_layout(new_desk().path("merged"))] == [("v1",), ("v1",)]


def test_an_index_in_a_layout_without_a_name_is_listed_all_the_same(desk: Desk) -> None:
    desk.build(SPEC, to="whole")
    index = merge(desk, "oci:merged", "oci:whole")
    listed = json.loads(desk.path("merged/index.json").read_bytes())["manifests"]
    assert [entry["digest"] for entry in listed] == [str(index.digest)]


def test_the_images_of_an_index_count_one_by_one(desk: Desk) -> None:
    desk.build(SPEC, to="two")
    desk.build(SPEC.replace("linux/amd64, linux/arm64", "linux/riscv64"), to="one")
    merge(desk, "oci:merged:v1", "oci:two", "oci:one")
    assert [image.platform for image in read_layout(desk.path("merged"))] == [*TWO, "linux/riscv64"]


def test_an_image_that_is_named_twice_is_in_the_index_once(desk: Desk) -> None:
    desk.build(SPEC, to="whole")
    assert merge(desk, "oci:merged:v1", "oci:whole", "oci:whole") == merge(desk, "oci:again:v1", "oci:whole")


def test_images_of_another_repository_are_mounted(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    sources = push_apart(new_desk, fake_registry)
    fake_registry.forget()
    merge(new_desk(), f"{fake_registry.host}/team/other:v1", *sources)
    assert fake_registry.count("PUT", SESSIONS) == 0
    assert fake_registry.count("POST", UPLOADS, where=lambda request: request.value("from") == "team/app") == 4


def test_images_of_another_registry_travel(new_desk: OpenDesk, fake_registry: FakeRegistry, running: Run) -> None:
    target = running(FakeRegistry())
    sources = push_apart(new_desk, fake_registry)
    index = merge(new_desk(), f"{target.host}/team/app:v1", *sources)
    assert target.tags("team/app") == {"v1": str(index.digest)}
    assert target.count("PUT", SESSIONS) == 4


# What the index says of itself


def annotations_of(desk: Desk, index: Descriptor, layout: str = "merged") -> dict[str, str]:
    document = json.loads((desk.path(layout) / "blobs/sha256" / index.digest.encoded).read_bytes())
    found: dict[str, str] = document.get("annotations", {})
    return found


def test_the_index_says_what_all_images_say(desk: Desk) -> None:
    desk.build(SPEC.replace("linux/amd64, linux/arm64", "linux/amd64"), to="one")
    arm = SPEC.replace("linux/amd64, linux/arm64", "linux/arm64").replace("example.org/hello", "example.org/other")
    desk.build(arm, to="two")
    index = merge(desk, "oci:merged:v1", "oci:one", "oci:two")
    assert annotations_of(desk, index) == {DESCRIPTION: "Says hello"}


def test_given_annotations_win(desk: Desk) -> None:
    desk.build(SPEC, to="whole")
    index = merge(desk, "oci:merged:v1", "oci:whole", annotations={DESCRIPTION: "Another", "own": "1"})
    assert annotations_of(desk, index) == {
        DESCRIPTION: "Another",
        "org.opencontainers.image.source": "https://example.org/hello",
        "own": "1",
    }


ATTESTED = "vnd.docker.reference.digest"


def add_attestation(layout: Layout, image: Descriptor) -> Descriptor:
    """As BuildKit puts one beside an image."""
    config = {"os": "unknown", "architecture": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    statement = layout.put_bytes(encode({"subject": str(image.digest)}), "application/vnd.in-toto+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.put_bytes(encode(config), OCI_CONFIG).to_json(),
        "layers": [statement.to_json()],
    }
    held = layout.put_bytes(encode(manifest), OCI_MANIFEST)
    return Descriptor(
        held.media_type,
        held.digest,
        held.size,
        platform=Platform("unknown", "unknown"),
        annotations={ATTESTED: str(image.digest), "vnd.docker.reference.type": "attestation-manifest"},
    )


def test_attestations_stay_beside_their_images(desk: Desk) -> None:
    for name, platform in (("one", "linux/amd64"), ("two", "linux/arm64")):
        (built,) = desk.build(SPEC.replace("linux/amd64, linux/arm64", platform), to=f"plain-{name}")
        layout = Layout.create(desk.path(name))
        api.copy(desk.at(f"oci:plain-{name}"), desk.at(f"oci:{name}:plain"), desk.places)
        children = [built.images[0].descriptor, add_attestation(layout, built.descriptor)]
        attested = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child.to_json() for child in children]}
        layout.name(layout.put_bytes(encode(attested), OCI_INDEX), tag="attested")
    index = merge(desk, "oci:merged:v1", "oci:one:attested", "oci:two:attested")
    document = json.loads((desk.path("merged/blobs/sha256") / index.digest.encoded).read_bytes())
    platforms = [f"{child['platform']['os']}/{child['platform']['architecture']}" for child in document["manifests"]]
    assert platforms == ["linux/amd64", "unknown/unknown", "linux/arm64", "unknown/unknown"]
    subjects = [child["annotations"][ATTESTED] for child in document["manifests"][1::2]]
    assert subjects == [child["digest"] for child in document["manifests"][::2]]
    assert document["annotations"][DESCRIPTION] == "Says hello"  # which attestations do not say


# What cannot be


@pytest.mark.parametrize(
    ("first", "second"),
    [("linux/amd64", "linux/amd64"), ("linux/arm64", "linux/arm64/v8"), ("linux/arm/v7", "linux/arm")],
)
def test_two_images_for_one_platform_are_refused(desk: Desk, first: str, second: str) -> None:
    desk.build(f"platforms: [{first}]\n{HELLO}", to="one")
    desk.build(f"platforms: [{second}]\n{HELLO.replace('hello from', 'bye from')}", to="two")
    with pytest.raises(BuildError, match="there are two images for linux/") as caught:
        merge(desk, "oci:merged:v1", "oci:one", "oci:two")
    assert (caught.value.where or "").count("sha256:") == 2
    assert not desk.path("merged").exists()


@pytest.mark.parametrize("second", ["linux/arm/v6", "linux/386"])
def test_variants_that_differ_are_platforms_of_their_own(desk: Desk, second: str) -> None:
    desk.build(f"platforms: [linux/arm/v7]\n{HELLO}", to="one")
    desk.build(f"platforms: [{second}]\n{HELLO}", to="two")
    merge(desk, "oci:merged:v1", "oci:one", "oci:two")
    assert len(read_layout(desk.path("merged"))) == 2


def test_versions_of_windows_are_platforms_of_their_own(desk: Desk) -> None:
    for name, version in (("one", "10.0.17763.1"), ("two", "10.0.20348.1")):
        desk.build(f"platforms: [{{platform: windows/amd64, os_version: {version}}}]\n{HELLO}", to=name)
    merge(desk, "oci:merged:v1", "oci:one", "oci:two")
    assert [image.config["os.version"] for image in read_layout(desk.path("merged"))] == [
        "10.0.17763.1",
        "10.0.20348.1",
    ]


def test_the_two_formats_do_not_mix(desk: Desk) -> None:
    desk.build(f"platforms: [linux/amd64]\n{HELLO}", to="one")
    desk.build(f"format: docker\nplatforms: [linux/arm64]\n{HELLO}", to="two")
    with pytest.raises(BuildError, match="cannot be in one index"):
        merge(desk, "oci:merged:v1", "oci:one", "oci:two")
    assert not desk.path("merged").exists()


def test_docker_images_make_a_manifest_list(desk: Desk) -> None:
    for name, platform in (("one", "linux/amd64"), ("two", "linux/arm64")):
        desk.build(f"format: docker\nplatforms: [{platform}]\n{HELLO}", to=name)
    index = merge(desk, "oci:merged:v1", "oci:one", "oci:two")
    assert index.media_type == "application/vnd.docker.distribution.manifest.list.v2+json"
    with pytest.raises(BuildError, match="has no annotations"):
        merge(desk, "oci:other:v1", "oci:one", "oci:two", annotations={"own": "1"})


@pytest.mark.parametrize("destination", ["oci-archive:merged.tar", "docker-archive:merged.tar"])
def test_archives_are_no_place_for_an_index(desk: Desk, destination: str) -> None:
    desk.build(SPEC, to="whole")
    with pytest.raises(UsageError, match="is no place for an index"):
        merge(desk, destination, "oci:whole")


def test_the_new_index_gets_a_tag_and_not_a_digest(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(SPEC, to="whole")
    with pytest.raises(UsageError, match="the index gets its own"):
        merge(desk, f"{fake_registry.host}/team/app@sha256:{'0' * 64}", "oci:whole")
    assert fake_registry.connections == 0


def test_a_source_that_is_not_there_changes_nothing(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    (source, _) = push_apart(new_desk, fake_registry)
    fake_registry.forget()
    with pytest.raises(NotFoundError):
        merge(new_desk(), f"{fake_registry.host}/team/app:v1", source, f"{fake_registry.host}/team/app:missing")
    assert fake_registry.count("PUT|POST|PATCH") == 0
