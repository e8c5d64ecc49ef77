"""A small tree that is hard to pack, as umoci, skopeo and podman see the image made of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ocibuild.assembly import put_image
from ocibuild.events import silent
from ocibuild.layers.build import build_layers
from ocibuild.oci.compression import compressor
from ocibuild.oci.media_type import Compression
from ocibuild.plan import (
    Attributes,
    Copy,
    Directory,
    Extract,
    FilesLayer,
    Hardlink,
    Item,
    PlatformPlan,
    Remove,
    Replace,
    Settings,
    Symlink,
    Text,
)
from ocibuild.store.layout import Layout
from tests.image.documents import AMD64, CREATED, plan
from tests.layers.building import KEEP_ALL, write_tree
from tests.oracles.layouts import read_layout, unreferenced_blobs
from tests.oracles.trees import differences
from tests.peers.clients import Podman, skopeo, umoci
from tests.peers.docker_registry import DockerRegistry
from tests.peers.programs import call, require, require_root


def hard_tree(root: Path) -> Path:
    """Links of both kinds, odd and long names, owners, setuid bits, a capability."""
    deep = "/".join(["d" * 60] * 5)
    write_tree(root, {"bin/tool": "x" * 5000, f"{deep}/leaf": "deep", "größe": "1", "new\nline ": "2", "empty/": ""})
    (root / os.fsdecode(b"raw\xff\xfe")).write_text("3")
    for name in ("bin/a", "z"):
        (root / name).hardlink_to(root / "bin/tool")
    (root / "link").symlink_to("t" * 150)
    (root / "dangling").symlink_to("/nothing")
    os.chown(root / "größe", 3_000_000, 2_097_152)
    (root / "empty").chmod(0o1777)
    (root / "suid").write_text("4")
    os.chown(root / "suid", 0, 42)
    (root / "suid").chmod(0o6755)
    (root / "ping").write_text("5")
    call("setcap", "cap_net_raw=ep", root / "ping")
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, (0, 1_000_000_000 + number), follow_symlinks=False)
    return root


def make_layout(directory: Path, context: Path, compression: Compression, *layers: tuple[Item, ...]) -> Path:
    """A layout with one image of these layers, under the tag `v1`."""
    layout = Layout.create(directory)
    plans = tuple(
        FilesLayer(f"layer {number}", items, compressor(compression), context, 1_000_000_000)
        for number, items in enumerate(layers)
    )
    whole = plan(PlatformPlan(AMD64, plans, settings=Settings(cmd=("/bin/tool",))))
    image = put_image(whole, build_layers(plans, layout, jobs=2, emit=silent), {}, layout)
    layout.name(image.descriptor, tag="v1")
    assert unreferenced_blobs(directory) == set()
    return directory


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    require_root()
    require("setcap")
    return hard_tree(tmp_path / "context/tree")


@pytest.mark.peer("umoci", "skopeo", "tar")
@pytest.mark.parametrize("verb", ["copy", "extract"])
@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.NONE])
def test_umoci_unpacks_the_tree_that_went_in(tree: Path, tmp_path: Path, verb: str, compression: Compression) -> None:
    call("tar", "--format=posix", "--xattrs", "--xattrs-include=*", "-C", tree, "-cf", tree.parent / "tree.tar", ".")
    item: Item = (
        Copy("tree", "/", attributes=KEEP_ALL) if verb == "copy" else Extract("tree.tar", "/", attributes=KEEP_ALL)
    )
    layout = make_layout(tmp_path / "layout", tree.parent, compression, (item,))
    (image,) = read_layout(layout)
    umoci("unpack", "--image", f"{layout}:v1", tmp_path / "bundle")
    assert differences(tree, tmp_path / "bundle/rootfs", mtimes=True) == []
    inspected = json.loads(skopeo("inspect", f"oci:{layout}:v1").stdout)
    assert (inspected["Digest"], inspected["Created"]) == (image.digest, CREATED)


LOWER: tuple[Item, ...] = (
    Copy("tree", "/", attributes=KEEP_ALL),
    Text(b"gone", "/etc/gone"),
    Text(b"stays", "/etc/stays"),
    Text(b"hidden", "/opt/old/hidden"),
    Text(b"hidden", "/opt/old/sub/hidden"),
)
UPPER: tuple[Item, ...] = (
    Remove("/etc/gone"),
    Remove("/empty"),
    Replace("/opt/old"),
    Text(b"new", "/opt/old/new"),
    Text(b"m", "/m"),
    Hardlink("/m", "/a"),
    Symlink("/m", "/s"),
    Directory("/data", Attributes(owner=(65532, 65532), dir_mode=0o700)),
    Text(b"", "/tmp/f"),
)


def check_upper(root: Path) -> None:
    """What both layers together are."""
    assert sorted(path.name for path in (root / "etc").iterdir()) == ["stays"]
    assert sorted(path.name for path in (root / "opt/old").iterdir()) == ["new"]
    assert not (root / "empty").exists()
    assert (root / "a").samefile(root / "m")
    assert str((root / "s").readlink()) == "/m"
    facts = (root / "data").stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (65532, 65532, 0o700)
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777


@pytest.mark.peer("umoci", "skopeo", "podman", "docker-registry")
@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_podman_mounts_whiteouts_links_odd_names_and_capabilities(
    tree: Path, tmp_path: Path, docker_registry: DockerRegistry, podman: Podman, compression: Compression
) -> None:
    layout = make_layout(tmp_path / "layout", tree.parent, compression, LOWER, UPPER)
    reference = f"{docker_registry.host}/layers/{compression.value}:v1"
    skopeo("copy", f"oci:{layout}:v1", f"docker://{reference}")
    root = podman.mount(podman.pull(reference))
    check_upper(root)
    added = {"a", "m", "s", "data", "tmp", "tmp/f", "etc", "etc/stays", "opt", "opt/old", "opt/old/new"}
    found = [
        line for line in differences(tree, root, mtimes=False) if not any(line.startswith(f"'{x}':") for x in added)
    ]
    assert found == ["'empty': missing", "['a', 'm']: hard links of one file, not expected"]


@pytest.mark.peer("umoci")
def test_umoci_applies_whiteouts_and_opaque_directories(tree: Path, tmp_path: Path) -> None:
    layout = make_layout(tmp_path / "layout", tree.parent, Compression.GZIP, LOWER, UPPER)
    umoci("unpack", "--image", f"{layout}:v1", tmp_path / "bundle")
    check_upper(tmp_path / "bundle/rootfs")


@pytest.mark.peer("umoci", "tar")
def test_extracting_a_real_root_is_copying_it(busybox_root: Path, tmp_path: Path) -> None:
    """The same members by both ways, whose bytes umoci turns back into the root."""
    call("tar", "--format=posix", "--xattrs", "--xattrs-include=*", "-C", busybox_root, "-cf", tmp_path / "r.tar", ".")
    layout = make_layout(tmp_path / "layout", tmp_path, Compression.GZIP, (Extract("r.tar", "/", attributes=KEEP_ALL),))
    umoci("unpack", "--image", f"{layout}:v1", tmp_path / "bundle")
    assert differences(busybox_root, tmp_path / "bundle/rootfs", mtimes=True) == []
