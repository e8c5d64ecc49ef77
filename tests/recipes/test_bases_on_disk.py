"""Bases out of layouts and archives; and Windows, whose bases have layers that stay where they are."""

from __future__ import annotations

import pytest

from ocibuild.errors import IntegrityError, NotFoundError, OcibuildError, StoreError
from tests.fake_registry import FakeRegistry
from tests.oracles.layouts import read_layout
from tests.recipes.support import HELLO, Desk, records

MULTI = "platforms: [linux/amd64, linux/arm64]\n"
NAME = "org.opencontainers.image.base.name"
DIGEST = "org.opencontainers.image.base.digest"


# From this machine


@pytest.mark.parametrize("place", ["oci:base", "oci-archive:base.tar", "docker-archive:base.tar"])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_base_on_disk_comes_along_whole(desk: Desk, place: str, sparse: bool) -> None:
    """Nothing but this layout could tell later where its layers are."""
    desk.build(HELLO, to="base" if place == "oci:base" else place)
    desk.build(f"base: {place}\n{HELLO.replace('/hello', '/second')}", sparse=sparse)
    (image,) = read_layout(desk.path())
    assert [list(layer.contents()) for layer in image.layers] == [["hello"], ["second"]]
    assert DIGEST in image.manifest["annotations"]
    assert NAME not in image.manifest["annotations"]


@pytest.mark.parametrize("place", ["oci:base", "oci-archive:base.tar"])
def test_a_base_on_disk_is_chosen_by_name_and_platform(desk: Desk, place: str) -> None:
    to = "base" if place == "oci:base" else place
    wanted = f"image: localhost/base\ntags: [v1]\n{MULTI}{HELLO}"
    desk.build(wanted, f"image: localhost/base\ntags: [v2]\n{HELLO.replace('hello from', 'bye from')}", to=to)
    desk.build(f"{MULTI}base: {place}:v1\n{HELLO.replace('/hello', '/second')}")
    contents = {image.platform: image.layers[0].contents() for image in read_layout(desk.path())}
    assert contents == {
        "linux/amd64": {"hello": b"hello from amd64"},
        "linux/arm64": {"hello": b"hello from arm64"},
    }


@pytest.mark.parametrize(
    ("base", "kind", "what"),
    [
        ("oci:nowhere", StoreError, "does not exist"),
        ("oci-archive:nowhere.tar", StoreError, "nowhere.tar, for the base at "),
        ("docker-archive:nowhere.tar", StoreError, "nowhere.tar, for the base at "),
        ("docker-archive:ocibuild.yaml", IntegrityError, "ocibuild.yaml, for the base at "),
        ("oci:base:v2", NotFoundError, "holds no image 'v2'"),
    ],
)
def test_a_base_on_disk_that_is_not_there_is_told_with_where_it_is_asked_for(
    desk: Desk, base: str, kind: type[OcibuildError], what: str
) -> None:
    desk.build(f"tags: [v1]\n{HELLO}", to="base")
    with pytest.raises(kind) as caught:
        desk.build(f"base: {base}\n{HELLO}")
    assert what in f"{caught.value} {caught.value.where}"
    assert str(caught.value.where).endswith("ocibuild.yaml:2:7")
    assert not desk.path().exists()


def test_a_base_on_disk_without_its_layer_is_told_with_where_it_is_asked_for(desk: Desk) -> None:
    (built,) = desk.build(HELLO, to="base")
    desk.path(f"base/blobs/sha256/{built.images[0].layers[0].digest.encoded}").unlink()
    with pytest.raises(NotFoundError, match="there is no blob") as caught:
        desk.build(f"base: oci:base\n{HELLO.replace('/hello', '/second')}")
    assert str(caught.value.where).endswith("ocibuild.yaml:2:7")


# Windows

URL = "https://example.org/servercore"
SERVERCORE = f"""
platforms: [{{platform: windows/amd64, os_version: 10.0.20348.1, os_features: [win32k]}}]
image: localhost/servercore
tags: [v1]
layers:
  - name: servercore
    foreign: {{urls: ["{URL}"], digest: "sha256:{"a" * 64}", size: 1234567, diff_id: "sha256:{"b" * 64}"}}
"""


@pytest.mark.parametrize("place", ["oci:base", "oci-archive:base.tar"])
def test_a_windows_base_keeps_foreign_layers_and_its_version(desk: Desk, place: str) -> None:
    desk.build(SERVERCORE, to="base" if place == "oci:base" else place)
    desk.build(f"platforms: [windows/amd64]\nbase: {place}\n{HELLO}")
    (image,) = read_layout(desk.path())
    assert image.config["os.version"] == "10.0.20348.1"
    assert image.config["os.features"] == ["win32k"]
    assert image.layers[0].is_foreign
    assert image.layers[0].descriptor["urls"] == [URL]
    assert not image.layers[0].blob.exists()


def test_a_foreign_layer_is_neither_fetched_nor_sent(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(SERVERCORE)
    desk.push(f"{fake_registry.host}/team/servercore:v1")
    desk.build(f"platforms: [windows/amd64]\nbase: {fake_registry.host}/team/servercore:v1\n{HELLO}", to="second")
    desk.push(f"{fake_registry.host}/team/app:v1", of="second")
    assert not [record for record in records(fake_registry) if "a" * 64 in record.target]
    (image,) = read_layout(desk.path("second"))
    assert image.layers[0].descriptor["urls"] == [URL]
