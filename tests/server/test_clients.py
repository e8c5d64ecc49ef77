"""Other people's clients, and our own, against the server."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ocibuild import api
from ocibuild.oci.location import LayoutLocation, RegistryLocation
from ocibuild.oci.platform import parse_platform
from ocibuild.oci.reference import parse_reference
from ocibuild.server.service import Server
from ocibuild.store.layout import Layout
from tests.oracles.layouts import read_layout
from tests.peers.clients import Podman, skopeo
from tests.registry.support import NOBODY
from tests.server.conftest import Serve
from tests.server.support import listed
from tests.store.images import add_image, add_index, layer_tar


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve()


@pytest.fixture
def host(server: Server) -> str:
    return urlsplit(server.url).netloc


@pytest.fixture
def source(tmp_path: Path) -> Layout:
    """A layout with an image of two platforms, `multi`, and one of one, `single`."""
    layout = Layout.create(tmp_path / "source")
    single = add_image(layout, layer_tar("etc/motd"), layer_tar("srv/data"))
    other = add_image(layout, layer_tar("etc/motd"), platform=parse_platform("linux/arm64"))
    layout.name(single, tag="single")
    layout.name(add_index(layout, single, other), tag="multi")
    return layout


@pytest.mark.peer("skopeo")
def test_skopeo_pushes_lists_inspects_pulls_copies_and_deletes(
    source: Layout, host: str, layout: Path, tmp_path: Path
) -> None:
    name = f"docker://{host}/team/app"
    skopeo("copy", "--all", f"oci:{source.path}:multi", f"{name}:1.0")
    skopeo("copy", f"oci:{source.path}:single", f"{name}:single")
    multi, single = (str(source.resolve(tag).digest) for tag in ("multi", "single"))
    assert listed(layout) == [("localhost/team/app:1.0", multi), ("localhost/team/app:single", single)]
    assert json.loads(skopeo("list-tags", name).stdout)["Tags"] == ["1.0", "single"]
    assert json.loads(skopeo("inspect", f"{name}:single").stdout)["Digest"] == single
    skopeo("copy", "--all", f"{name}:1.0", f"oci:{tmp_path / 'out'}:1.0")
    assert [image.digest for image in read_layout(tmp_path / "out")] == [image.digest for image in read_layout(layout)][
        :2
    ]
    skopeo("copy", "--all", f"{name}:1.0", f"docker://{host}/copied:1.0")
    assert ("localhost/copied:1.0", multi) in listed(layout)
    skopeo("delete", f"{name}:single")
    assert listed(layout) == [("localhost/copied:1.0", multi), ("localhost/team/app:1.0", multi)]


@pytest.mark.peer("skopeo")
def test_skopeo_reads_what_was_pushed_as_a_layout(
    server: Server, source: Layout, host: str, layout: Path, tmp_path: Path
) -> None:
    skopeo("copy", f"oci:{source.path}:single", f"docker://{host}/app:1.0")
    skopeo("copy", f"oci:{layout}:1.0", f"oci-archive:{tmp_path / 'out.tar'}:1.0")
    assert (tmp_path / "out.tar").stat().st_size > 0


@pytest.mark.peer("podman")
def test_podman_pulls_and_pushes(source: Layout, host: str, layout: Path, podman: Podman) -> None:
    skopeo("copy", f"oci:{source.path}:single", f"docker://{host}/app:1.0")
    identity = podman.pull(f"{host}/app:1.0")
    root = podman.mount(identity)
    assert (root / "etc/motd").read_text() == "etc/motd"
    podman("push", identity, f"{host}/team/again:2.0")
    assert "localhost/team/again:2.0" in dict(listed(layout))
    podman("rmi", "--force", identity)
    assert podman.pull(f"{host}/team/again:2.0") == identity


def test_our_own_client(source: Layout, host: str, layout: Path, tmp_path: Path) -> None:
    target = parse_reference(f"{host}/team/app")
    multi = LayoutLocation(str(source.path), "multi")
    with api.Places(api.Settings(credentials=NOBODY)) as places:
        for tag in ("1.0", "1.0", "2.0"):
            api.copy(multi, RegistryLocation(target.with_tag(tag)), places)
        assert api.tags(RegistryLocation(target), places) == ("1.0", "2.0")
        api.copy(RegistryLocation(target.with_tag("1.0")), LayoutLocation(str(tmp_path / "out"), "1.0"), places)
        probes = {probe.name: probe.works for probe in api.examine(target, places)}
    digest = str(source.resolve("multi").digest)
    assert listed(layout) == [("localhost/team/app:1.0", digest), ("localhost/team/app:2.0", digest)]
    assert {image.digest for image in read_layout(tmp_path / "out")} == {image.digest for image in read_layout(layout)}
    assert {name for name, works in probes.items() if works} >= {"contact", "pull", "push", "referrers", "delete"}
