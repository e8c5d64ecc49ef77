"""Proof by a real client that the fake is a registry: skopeo pushes, lists, copies, pulls and deletes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.clients import skopeo

from . import (
    BasicAuth,
    BearerAuth,
    FakeRegistry,
    Image,
    SampleIndex,
    TokenService,
    image_of,
    index_of,
    layer_of,
    profiles,
)
from .contents import digest_of
from .fixtures import Run
from .images import as_json, descriptor_of

pytestmark = pytest.mark.peer("skopeo")

LAYERS = [layer_of({"etc/motd": b"hello\n"}), layer_of({"srv/data": bytes(range(256)) * 8192})]
INDEX = index_of(image_of(LAYERS), image_of(LAYERS[:1], architecture="arm64"))


def write_layout(directory: Path, image: Image | SampleIndex) -> Path:
    """The image as an OCI layout with one ref, `v1`."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for part in (image, *image.children):
        for data in (part.manifest, *part.blobs):
            (blobs / digest_of(data).partition(":")[2]).write_bytes(data)
    named = {
        **descriptor_of(image.manifest, image.media_type),
        "annotations": {"org.opencontainers.image.ref.name": "v1"},
    }
    (directory / "index.json").write_bytes(as_json({"schemaVersion": 2, "manifests": [named]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return directory


def plain(registry: FakeRegistry) -> FakeRegistry:
    return registry


def with_basic(registry: FakeRegistry) -> FakeRegistry:
    registry.auth = BasicAuth("alice", "s3cret")
    return registry


def with_bearer(registry: FakeRegistry) -> FakeRegistry:
    registry.auth = BearerAuth(TokenService(users={"alice": "s3cret"}))
    return registry


def with_ghcr(registry: FakeRegistry) -> FakeRegistry:
    return profiles.ghcr(registry, "alice", "s3cret")


@pytest.mark.parametrize(
    "setup", [plain, with_basic, with_bearer, with_ghcr, profiles.harbor, profiles.registry2], ids=lambda f: f.__name__
)
def test_push_and_pull(
    fake_registry: FakeRegistry, tmp_path: Path, setup: Callable[[FakeRegistry], FakeRegistry]
) -> None:
    setup(fake_registry)
    credentials = ("--dest-creds", "alice:s3cret") if fake_registry.auth else ()
    reading = ("--src-creds", "alice:s3cret") if fake_registry.auth else ()
    source = write_layout(tmp_path / "in", INDEX)
    target = f"docker://{fake_registry.host}/team/app:v1"
    skopeo("copy", "--all", *credentials, f"oci:{source}:v1", target)
    skopeo("copy", "--all", *reading, target, f"oci:{tmp_path / 'out'}:v1")
    assert fake_registry.tags("team/app") == {"v1": INDEX.digest}
    pulled = json.loads((tmp_path / "out" / "index.json").read_bytes())["manifests"]
    assert [descriptor["digest"] for descriptor in pulled] == [INDEX.digest]
    assert fake_registry.open_sessions == 0


def test_list_and_delete(fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", image_of(LAYERS), "v1", "v2")
    name = f"docker://{fake_registry.host}/team/app"
    assert json.loads(skopeo("list-tags", name).stdout)["Tags"] == ["v1", "v2"]
    skopeo("copy", f"{name}:v1", f"docker://{fake_registry.host}/other:v1")
    skopeo("delete", f"{name}:v2")
    assert fake_registry.tags("team/app") == {}


def test_a_token_server_and_faults_on_the_way(running: Run, tmp_path: Path) -> None:
    registry = with_bearer(running(FakeRegistry()))
    throttled = registry.on("GET|HEAD", "/v2/*/manifests/*").respond(429).retry_after(1)
    registry.add_image("team/app", image_of(LAYERS), "v1")
    copied = ("copy", "--src-creds", "alice:s3cret", f"docker://{registry.host}/team/app:v1")
    skopeo(*copied, f"oci:{tmp_path / 'out'}:v1")
    assert throttled.hits == 1
