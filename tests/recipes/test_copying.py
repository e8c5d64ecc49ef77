"""copy and pull: between any two kinds of place, digests unchanged, names kept."""

from __future__ import annotations

import tarfile

import pytest

from ocibuild import api
from ocibuild.errors import IntegrityError, NotFoundError, UsageError
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.platform import parse_platform
from tests.fake_registry import BLOBS, SESSIONS, UPLOADS, FakeRegistry
from tests.fake_registry.fixtures import Run
from tests.oracles.layouts import read_layout
from tests.recipes.support import HELLO, Desk, digest, names

ARM64 = parse_platform("linux/arm64")
SINGLE = f"image: localhost:5000/team/app\ntags: [v1]\n{HELLO}"
INDEX = f"platforms: [linux/amd64, linux/arm64]\n{SINGLE}"
KINDS = ("registry", "oci", "oci-archive", "docker-archive")


def place(kind: str, registry: FakeRegistry, name: str) -> str:
    """A place of this kind for the test: `name` tells source and destination apart."""
    return {
        "registry": f"{registry.host}/team/{name}:v1",
        "oci": f"oci:{name}:v1",
        "oci-archive": f"oci-archive:{name}.tar:v1",
        "docker-archive": f"docker-archive:{name}.docker.tar:localhost:5000/team/{name}:v1",
    }[kind]


def copy(desk: Desk, source: str, destination: str, platform: str | None = None) -> Descriptor:
    wanted = parse_platform(platform) if platform else None
    return api.copy(desk.at(source), desk.at(destination), desk.places, platform=wanted)


def configs(desk: Desk, at: str) -> set[str]:
    return {str(digest) for digest in api.inspect(desk.at(at), desk.places).configs}


# Any place to any place


@pytest.mark.parametrize("destination", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_an_image_goes_from_any_place_to_any_place(
    desk: Desk, fake_registry: FakeRegistry, source: str, destination: str
) -> None:
    desk.build(SINGLE, to="built")
    before, after = place(source, fake_registry, "source"), place(destination, fake_registry, "destination")
    copy(desk, "oci:built", before)
    copied = copy(desk, before, after)
    assert str(copied.digest) == digest(desk, before)
    if destination == "docker-archive":  # which has no manifests, and unpacks the layers
        assert configs(desk, after) == configs(desk, before)
    else:
        assert digest(desk, after) == digest(desk, before)
    assert configs(desk, after) == configs(desk, "oci:built")


@pytest.mark.parametrize("destination", KINDS[:-1])
@pytest.mark.parametrize("source", KINDS[:-1])
def test_an_index_goes_with_all_its_images(
    desk: Desk, fake_registry: FakeRegistry, source: str, destination: str
) -> None:
    (built,) = desk.build(INDEX, to="built")
    before, after = place(source, fake_registry, "source"), place(destination, fake_registry, "destination")
    copy(desk, "oci:built", before)
    copy(desk, before, after)
    assert digest(desk, after) == str(built.descriptor.digest)
    copy(desk, after, "oci:end:v1")
    assert [image.platform for image in read_layout(desk.path("end"))] == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("destination", KINDS)
@pytest.mark.parametrize("source", KINDS[:-1])
def test_one_image_is_taken_out_of_an_index(
    desk: Desk, fake_registry: FakeRegistry, source: str, destination: str
) -> None:
    (built,) = desk.build(INDEX, to="built")
    before, after = place(source, fake_registry, "source"), place(destination, fake_registry, "destination")
    copy(desk, "oci:built", before)
    copied = copy(desk, before, after, "linux/arm64")
    assert copied.digest == built.images[1].descriptor.digest
    assert configs(desk, after) == {str(built.images[1].config_descriptor.digest)}


def test_an_index_does_not_fit_into_a_docker_archive(desk: Desk) -> None:
    desk.build(INDEX, to="built")
    with pytest.raises(UsageError, match="holds one platform") as caught:
        copy(desk, "oci:built", "docker-archive:out.tar")
    assert "--platform" in (caught.value.hint or "")
    assert not desk.path("out.tar").exists()


def test_a_platform_that_is_not_there_is_told_with_those_that_are(desk: Desk) -> None:
    desk.build(INDEX, to="built")
    with pytest.raises(NotFoundError, match="no image for linux/s390x") as caught:
        copy(desk, "oci:built", "oci:out", "linux/s390x")
    assert caught.value.hint == "there are: linux/amd64, linux/arm64"
    assert not desk.path("out").exists()


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("oci", "registry"),
        ("oci", "oci"),
        ("registry", "oci"),
        ("registry", "registry"),
    ],
)
def test_progress_adds_up_to_the_size_of_each_blob(
    desk: Desk, fake_registry: FakeRegistry, running: Run, source: str, destination: str
) -> None:
    desk.build(SINGLE, to="built")
    before, after = place(source, fake_registry, "source"), place(destination, running(FakeRegistry()), "destination")
    copy(desk, "oci:built", before)
    desk.events.clear()
    copy(desk, before, after)
    steps = desk.advanced()
    assert len(steps) == 2
    assert [(total, done) for total, done in steps.values() if total != done] == []


def test_within_a_registry_blobs_are_mounted(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(SINGLE, to="built")
    copy(desk, "oci:built", f"{fake_registry.host}/team/source:v1")
    fake_registry.forget()
    copy(desk, f"{fake_registry.host}/team/source:v1", f"{fake_registry.host}/team/destination:v1")
    assert fake_registry.count("POST", UPLOADS, where=lambda request: request.value("from") == "team/source") == 2
    assert fake_registry.count("PUT", SESSIONS) == 0
    assert fake_registry.count("GET", BLOBS) == 0


def test_what_is_there_already_is_not_fetched_again(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(INDEX, to="built")
    copy(desk, "oci:built", f"{fake_registry.host}/team/app:v1")
    copy(desk, f"{fake_registry.host}/team/app:v1", "oci:pulled")
    fake_registry.forget()
    copy(desk, f"{fake_registry.host}/team/app:v1", "oci:pulled")
    layers = {record.path for record in fake_registry.requests("GET", BLOBS)}
    assert layers == set()


def test_a_damaged_blob_leaves_no_name(desk: Desk, fake_registry: FakeRegistry) -> None:
    (built,) = desk.build(SINGLE, to="built")
    copy(desk, "oci:built", f"{fake_registry.host}/team/app:v1")
    layer = built.images[0].layers[0].digest
    fake_registry.quirk("GET", f"/v2/team/app/blobs/{layer}").flip_byte(3)
    for destination in ("oci:pulled", "oci-archive:pulled.tar", "docker-archive:pulled.docker.tar"):
        with pytest.raises(IntegrityError):
            copy(desk, f"{fake_registry.host}/team/app:v1", destination)
    assert read_layout(desk.path("pulled")) == []
    assert sorted(path.name for path in desk.directory.iterdir()) == ["built", "ocibuild.yaml", "pulled"]


# Names


@pytest.fixture
def source(desk: Desk, fake_registry: FakeRegistry) -> str:
    """`HOST/team/app:v1` in a registry."""
    desk.build(SINGLE, to="built")
    name = f"{fake_registry.host}/team/app:v1"
    copy(desk, "oci:built", name)
    return name


@pytest.mark.parametrize("destination", ["oci:out", "oci-archive:out.tar", "docker-archive:out.tar"])
def test_what_is_pulled_keeps_its_full_name(desk: Desk, source: str, destination: str) -> None:
    copy(desk, source, destination)
    assert names(desk, destination) == [source]


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("oci:out:v2", "v2"),
        ("oci-archive:out.tar:v2", "v2"),
        ("oci:out:localhost/other:v2", "localhost/other:v2"),
        ("oci-archive:out.tar:localhost/other:v2", "localhost/other:v2"),
        ("docker-archive:out.tar:localhost/other:v2", "localhost/other:v2"),
    ],
)
def test_a_name_that_the_destination_gives_wins(desk: Desk, source: str, destination: str, expected: str) -> None:
    copy(desk, source, destination)
    kind, _, rest = destination.partition(":")
    assert names(desk, f"{kind}:{rest.partition(':')[0]}") == [expected]


def test_what_is_pulled_by_digest_has_no_name(desk: Desk, source: str) -> None:
    by_digest = source.replace(":v1", f"@{digest(desk, source)}")
    copied = copy(desk, by_digest, "oci:out")
    assert names(desk, "oci:out") == [str(copied.digest)]


def test_a_layout_gives_on_all_names_of_an_image(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(SINGLE.replace("[v1]", "[v1, latest]"), to="built")
    for destination in ("oci:out", "oci-archive:out.tar", "docker-archive:out.docker.tar"):
        copy(desk, "oci:built", destination)
        assert sorted(names(desk, destination)) == ["localhost:5000/team/app:latest", "localhost:5000/team/app:v1"]
    copy(desk, "oci:built", f"{fake_registry.host}/mirror/app")
    assert sorted(fake_registry.tags("mirror/app")) == ["latest", "v1"]


@pytest.mark.parametrize("name", ["v1", "localhost:5000/team/app:v1"])
def test_a_name_that_was_asked_for_is_the_one_that_is_kept(desk: Desk, name: str) -> None:
    desk.build(SINGLE.replace("[v1]", "[v1, latest]"), to="built")
    copy(desk, f"oci:built:{name}", "oci:out")
    assert names(desk, "oci:out") == ["localhost:5000/team/app:v1"]


def test_a_digest_is_no_name(desk: Desk) -> None:
    (built,) = desk.build(SINGLE, to="built")
    copy(desk, f"oci:built:{built.descriptor.digest}", "oci:out")
    assert names(desk, "oci:out") == ["localhost:5000/team/app:v1"]


def test_an_image_without_a_name_stays_without_one(desk: Desk, fake_registry: FakeRegistry) -> None:
    (built,) = desk.build(HELLO, to="built")
    copy(desk, "oci:built", "oci-archive:out.tar")
    assert names(desk, "oci-archive:out.tar") == [str(built.descriptor.digest)]
    copy(desk, "oci:built", f"{fake_registry.host}/team/app")
    assert fake_registry.tags("team/app") == {}
    assert fake_registry.manifest("team/app", str(built.descriptor.digest)) is not None


def test_a_repository_as_destination_gets_the_tag_of_the_source(
    desk: Desk, source: str, fake_registry: FakeRegistry
) -> None:
    copied = copy(desk, source, f"{fake_registry.host}/mirror/app")
    assert fake_registry.tags("mirror/app") == {"v1": str(copied.digest)}


def test_a_digest_as_destination_must_be_the_right_one(desk: Desk, source: str, fake_registry: FakeRegistry) -> None:
    right = digest(desk, source)
    copy(desk, source, f"{fake_registry.host}/mirror/app@{right}")
    assert fake_registry.tags("mirror/app") == {}
    fake_registry.forget()
    with pytest.raises(UsageError, match="cannot be the name of"):
        copy(desk, source, f"{fake_registry.host}/mirror/app@sha256:{'0' * 64}")
    assert fake_registry.count("PUT|POST") == 0


def test_a_second_image_under_a_name_takes_it_over(desk: Desk) -> None:
    desk.build(SINGLE, to="one")
    (second,) = desk.build(SINGLE.replace("hello from", "bye from"), to="two")
    copy(desk, "oci:one", "oci:out")
    copy(desk, "oci:two", "oci:out")
    assert names(desk, "oci:out") == ["localhost:5000/team/app:v1"]
    assert digest(desk, "oci:out") == str(second.descriptor.digest)


def test_a_sparse_layout_is_completed_on_the_way(desk: Desk, source: str) -> None:
    desk.build(f"base: {source}\n{HELLO.replace('/hello', '/second')}", to="sparse", sparse=True)
    copy(desk, "oci:sparse", "oci-archive:out.tar")
    with tarfile.open(desk.path("out.tar")) as archive:
        archive.extractall(desk.path("unpacked"), filter="data")
    (image,) = read_layout(desk.path("unpacked"))
    assert [list(layer.contents()) for layer in image.layers] == [["hello"], ["second"]]
