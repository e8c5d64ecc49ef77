"""build: plans in, images in a layout or an archive out, each layer made once, and nothing half done at a final path."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from ocibuild.errors import OcibuildError, SourceError, StoreError, UsageError
from ocibuild.events import Stage
from tests.oracles.layouts import image_for, read_layout, unreferenced_blobs
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import HELLO, Desk

NAMED = f"image: localhost:5000/team/app\ntags: [v1, latest]\n{HELLO}"
MULTI = f"platforms: [linux/amd64, linux/arm64]\n{NAMED}"
DOCKER = f"format: docker\n{NAMED}"
BROKEN = "layers: [{files: [{copy: missing, to: /x}]}]"


def names_in(layout: Path) -> dict[str, str]:
    """Full names and the digests that they lead to."""
    index = json.loads((layout / "index.json").read_bytes())
    name = "io.containerd.image.name"
    return {entry["annotations"][name]: entry["digest"] for entry in index["manifests"]}


def test_a_single_platform_gives_a_plain_manifest_under_all_its_names(desk: Desk) -> None:
    (built,) = desk.build(NAMED)
    (first, second) = read_layout(desk.path())
    assert first.digest == second.digest == str(built.descriptor.digest)
    assert first.indexes == ()
    assert {*first.names, *second.names} == {"v1", "latest"}
    assert first.layers[0].contents() == {"hello": b"hello from amd64"}
    assert built.name == f"localhost:5000/team/app@{built.descriptor.digest}"


def test_several_platforms_give_an_index(desk: Desk) -> None:
    (built,) = desk.build(MULTI)
    images = read_layout(desk.path())
    assert {image.platform for image in images} == {"linux/amd64", "linux/arm64"}
    assert image_for(images[:2], "linux/arm64").layers[0].contents() == {"hello": b"hello from arm64"}
    assert [str(image.descriptor.digest) for image in built.images] == [
        entry["digest"] for entry in images[0].indexes[0]["manifests"]
    ]
    assert unreferenced_blobs(desk.path()) == set()


def test_an_image_without_a_name_is_the_only_one_of_its_layout(desk: Desk) -> None:
    (built,) = desk.build(HELLO)
    assert built.name == str(built.descriptor.digest)
    desk.build(HELLO.replace("hello from", "good bye to"))
    assert len(read_layout(desk.path())) == 1


def test_docker_format_uses_dockers_types_throughout(desk: Desk) -> None:
    (built,) = desk.build(f"platforms: [linux/amd64, linux/arm64]\n{DOCKER}")
    assert built.descriptor.media_type == "application/vnd.docker.distribution.manifest.list.v2+json"
    for image in read_layout(desk.path()):
        assert image.manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        assert image.manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"
        assert [layer.media_type for layer in image.layers] == ["application/vnd.docker.image.rootfs.diff.tar.gzip"]
        assert "annotations" not in image.manifest


def test_layers_that_platforms_and_images_share_are_built_once(desk: Desk) -> None:
    common = """
  - name: common
    files: [{text: shared, to: /common}]
"""
    one = f"image: localhost/one\ntags: [v1]\nplatforms: [linux/amd64, linux/arm64]\n{HELLO}{common}"
    two = f"image: localhost/two\ntags: [v1]\nlayers:{common}"
    desk.build(one, two)
    assert sorted(desk.done(Stage.BUILD)) == [
        ("common", "built"),
        ("one:v1 app (linux/amd64)", "built"),
        ("one:v1 app (linux/arm64)", "built"),
    ]
    assert len({image.layers[-1].diff_id for image in read_layout(desk.path())}) == 1


def test_several_images_lie_in_one_layout_and_the_newest_has_the_name(desk: Desk) -> None:
    (old,) = desk.build(NAMED)
    other, new = desk.build(
        f"image: localhost:5000/team/other\ntags: [v1]\n{HELLO}", NAMED.replace("hello from", "hi from")
    )
    assert names_in(desk.path()) == {
        "localhost:5000/team/app:v1": str(new.descriptor.digest),
        "localhost:5000/team/app:latest": str(new.descriptor.digest),
        "localhost:5000/team/other:v1": str(other.descriptor.digest),
    }
    assert old.descriptor.digest != new.descriptor.digest


def test_building_twice_changes_no_byte(desk: Desk) -> None:
    desk.build(MULTI)
    before = (desk.path() / "index.json").read_bytes()
    blobs = {path.name: path.stat().st_mtime_ns for path in desk.path("layout/blobs/sha256").iterdir()}
    desk.build(MULTI)
    assert (desk.path() / "index.json").read_bytes() == before
    assert {path.name for path in desk.path("layout/blobs/sha256").iterdir()} == set(blobs)


def test_a_spec_without_layers_is_its_base_with_other_settings(desk: Desk) -> None:
    desk.build(HELLO, to="base")
    (built,) = desk.build("base: oci:base\nconfig: {user: '1000'}\n")
    (image,) = read_layout(desk.path())
    assert image.config["config"]["User"] == "1000"
    assert [layer.contents() for layer in image.layers] == [{"hello": b"hello from amd64"}]
    assert len(built.images[0].layers) == 1


# Archives


def test_an_oci_archive_holds_what_a_layout_would(desk: Desk) -> None:
    (in_layout,) = desk.build(MULTI)
    (in_archive,) = desk.build(MULTI, to="oci-archive:out/image.tar")
    assert in_archive.descriptor == in_layout.descriptor
    with tarfile.open(desk.path("out/image.tar")) as archive:
        archive.extractall(desk.path("unpacked"), filter="data")
    assert names_in(desk.path("unpacked")) == names_in(desk.path())
    assert len(read_layout(desk.path("unpacked"))) == 4
    assert [path.name for path in desk.path("out").iterdir()] == ["image.tar"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (NAMED, {("v1", "localhost:5000/team/app:v1"), ("latest", "localhost:5000/team/app:latest")}),
        (f"image: localhost/app\n{HELLO}", {(None, "localhost/app")}),
        (f"tags: [v1]\n{HELLO}", {("v1", None)}),
        (HELLO, {(None, None)}),
    ],
    ids=["image and tags", "image", "tags", "no name"],
)
@pytest.mark.parametrize("to", ["layout", "oci-archive:image.tar"])
def test_names_are_the_same_in_layouts_and_archives(
    desk: Desk, to: str, spec: str, expected: set[tuple[str | None, str | None]]
) -> None:
    desk.build(spec, to=to)
    if to == "layout":
        index = json.loads(desk.path("layout/index.json").read_bytes())
    else:
        with tarfile.open(desk.path("image.tar")) as archive:
            file = archive.extractfile("index.json")
            assert file is not None
            index = json.load(file)
    found = [entry.get("annotations", {}) for entry in index["manifests"]]
    assert {
        (names.get("org.opencontainers.image.ref.name"), names.get("io.containerd.image.name")) for names in found
    } == expected


def test_a_docker_archive_has_the_names_that_docker_loads(desk: Desk) -> None:
    desk.build(NAMED, to="docker-archive:image.tar")
    with tarfile.open(desk.path("image.tar")) as archive:
        file = archive.extractfile("manifest.json")
        assert file is not None
        (item,) = json.load(file)
    assert item["RepoTags"] == ["localhost:5000/team/app:v1", "localhost:5000/team/app:latest"]


@pytest.mark.parametrize(
    ("to", "specs", "message"),
    [
        ("docker-archive:image.tar", (MULTI,), "holds one platform"),
        ("docker-archive:image.tar", (NAMED, f"image: localhost/two\ntags: [v1]\n{HELLO}"), "holds one image"),
        ("docker-archive:taken", (NAMED,), "is not a file"),
        ("oci-archive:taken", (NAMED,), "is not a file"),
    ],
    ids=["two platforms", "two images", "a directory for a docker-archive", "a directory for an oci-archive"],
)
def test_what_no_archive_can_hold_is_refused_before_a_layer_is_built(
    desk: Desk, to: str, specs: tuple[str, ...], message: str
) -> None:
    desk.path("taken").mkdir()
    with pytest.raises(UsageError, match=message):
        desk.build(*specs, to=to)
    assert desk.events == []
    assert sorted(path.name for path in desk.directory.iterdir()) == ["ocibuild.yaml", "taken"]


# What goes wrong


@pytest.mark.parametrize("to", ["oci-archive:out.tar", "docker-archive:out.tar"])
def test_a_failed_build_leaves_no_archive(desk: Desk, to: str) -> None:
    with pytest.raises(SourceError):
        desk.build(f"{HELLO}  - name: second\n    files: [{{copy: missing, to: /x}}]", to=to)
    assert [path.name for path in desk.directory.iterdir()] == ["ocibuild.yaml"]


def test_a_failed_build_leaves_an_archive_as_it_was(desk: Desk) -> None:
    desk.build(NAMED, to="oci-archive:out.tar")
    before = desk.path("out.tar").read_bytes()
    with pytest.raises(SourceError):
        desk.build(BROKEN, to="oci-archive:out.tar")
    assert desk.path("out.tar").read_bytes() == before
    assert sorted(path.name for path in desk.directory.iterdir()) == ["ocibuild.yaml", "out.tar"]


def test_a_failed_build_leaves_a_layout_that_names_what_it_named(desk: Desk) -> None:
    desk.build(NAMED)
    before = names_in(desk.path())
    with pytest.raises(SourceError):
        desk.build(f"image: localhost:5000/team/app\ntags: [v1]\n{BROKEN}")
    assert names_in(desk.path()) == before
    assert read_layout(desk.path())
    assert not list(desk.path("layout").rglob("*.tmp"))


def test_one_failing_image_of_several_fails_them_all(desk: Desk) -> None:
    with pytest.raises(SourceError):
        desk.build(NAMED, f"image: localhost/broken\ntags: [v1]\n{BROKEN}")
    assert read_layout(desk.path()) == []


def test_a_directory_that_holds_something_else_is_left_alone(desk: Desk) -> None:
    desk.path("layout").mkdir()
    desk.path("layout/precious").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        desk.build(HELLO)
    assert [path.name for path in desk.path("layout").iterdir()] == ["precious"]


@pytest.mark.parametrize("to", ["file/layout", "oci-archive:file/out.tar"])
def test_an_output_below_a_file_is_an_error_that_says_so(desk: Desk, to: str) -> None:
    desk.path("file").write_text("in the way")
    with pytest.raises(OcibuildError) as caught:
        desk.build(HELLO, to=to)
    assert isinstance(caught.value, StoreError | UsageError)
    assert "file" in f"{caught.value.what} {caught.value.where}"


def test_a_missing_base_stops_a_build_before_it_begins(new_desk: OpenDesk) -> None:
    desk = new_desk()
    with pytest.raises(OcibuildError):
        desk.build(f"base: oci:nowhere\n{HELLO}")
    assert not desk.path().exists()
    assert desk.events == []
