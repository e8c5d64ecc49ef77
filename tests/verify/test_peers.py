"""No false alarm: what buildah, podman, umoci and skopeo write, of trees with all that layers can hold, has no errors."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.oci.location import parse_location
from tests.image.test_peers import hard_tree
from tests.peers.clients import Podman, skopeo, umoci
from tests.peers.docker_registry import DockerRegistry
from tests.peers.programs import ProgramError, call, require_root
from tests.verify.layouts import layout_of

# What these tools leave out, or do on purpose.
EXPECTED = {"source-missing", "tar-without-end"}


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah with a storage of its own."""

    directory: Path

    def __call__(self, *args: str | Path) -> str:
        storage = ("--root", self.directory / "root", "--runroot", self.directory / "run", "--storage-driver", "vfs")
        return call("buildah", *storage, *args).stdout.strip()


def findings_of(*locations: str) -> list[str]:
    """What is found, without what these tools do on purpose; something has to have been read."""
    with api.Places() as places:
        report = api.verify([parse_location(location) for location in locations], places)
    assert report.layers
    assert report.images
    assert [finding for finding in report.findings if finding.is_error] == []
    return [f"{finding.rule}: {finding.message}" for finding in report.findings if finding.rule not in EXPECTED]


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    """A tree with links of both kinds, odd names and owners, and a capability."""
    require_root()
    root = tmp_path / "upper"
    root.mkdir()
    return hard_tree(root)


def change(root: Path) -> None:
    """What a second layer does to `upper`: removes, replaces, links anew."""
    (root / "suid").unlink()
    (root / "z").unlink()
    (root / "z").mkdir()
    (root / "empty").rmdir()
    (root / "empty").symlink_to("bin")
    (root / "bin" / "b").hardlink_to(root / "bin" / "tool")
    (root / "bin" / "tool").chmod(0o700)


@pytest.mark.peer("buildah", "skopeo")
@pytest.mark.parametrize("family", ["oci", "docker"])
def test_images_of_buildah_have_no_errors(
    family: str, upper: Path, busybox_root: Path, tmp_path: Path, docker_registry: DockerRegistry
) -> None:
    buildah = Buildah(tmp_path / "storage")
    first = buildah("from", "scratch")
    buildah("copy", "--quiet", first, busybox_root, "/")
    buildah("copy", "--quiet", first, upper, "/")
    buildah("config", "--cmd", "/bin/sh", "--label", "team=web", "--annotation", "team=web", first)
    buildah("commit", "--quiet", "--format", family, first, "base")
    second = buildah("from", "base")
    change(Path(buildah("mount", second)))
    buildah("commit", "--quiet", "--format", family, second, "upper")

    places = [
        f"oci:{tmp_path}/layout:upper",
        f"oci-archive:{tmp_path}/oci.tar",
        f"docker-archive:{tmp_path}/docker.tar",
        f"docker://{docker_registry.host}/verify/buildah:{family}",
    ]
    for place in places:
        force = (
            () if place.startswith(("oci", "docker-archive")) else ("--format", {"docker": "v2s2"}.get(family, family))
        )
        buildah("push", "--quiet", "--tls-verify=false", *force, "upper", place)
    assert findings_of(*(place.removeprefix("docker://") for place in places)) == []

    skopeo("copy", "--dest-compress-format", "zstd", "--dest-compress", places[0], f"oci:{tmp_path}/zstd:upper")
    assert findings_of(f"oci:{tmp_path}/zstd") == []


@pytest.mark.peer("buildah")
def test_an_index_of_buildah_has_no_errors(upper: Path, tmp_path: Path, docker_registry: DockerRegistry) -> None:
    buildah = Buildah(tmp_path / "storage")
    buildah("manifest", "create", "all")
    for arch, variant in (("amd64", ""), ("arm64", "v8"), ("arm", "v6")):
        container = buildah("from", "--arch", arch, "scratch")
        buildah("copy", "--quiet", container, upper, f"/{arch}")
        buildah("config", "--arch", arch, *(("--variant", variant) if variant else ()), container)
        image = buildah("commit", "--quiet", container)
        buildah("manifest", "add", *(("--variant", variant) if variant else ()), "all", image)
    place = f"{docker_registry.host}/verify/index:v1"
    buildah("manifest", "push", "--quiet", "--all", "--tls-verify=false", "all", f"docker://{place}")
    buildah("manifest", "push", "--quiet", "--all", "all", f"oci:{tmp_path}/layout:all")
    assert findings_of(place, f"oci:{tmp_path}/layout") == []


@pytest.mark.peer("podman")
def test_images_of_podman_have_no_errors(podman: Podman, upper: Path, tmp_path: Path) -> None:
    archive = tmp_path / "upper.tar"
    call("tar", "-C", upper, "-cf", archive, ".")
    podman("import", "--quiet", archive, "localhost/imported:v1")
    places = {kind: tmp_path / kind for kind in ("oci-archive", "docker-archive", "oci-dir")}
    for kind, path in places.items():
        podman("save", "--quiet", "--format", kind, "--output", path, "localhost/imported:v1")
    locations = [f"{kind.removesuffix('-dir')}:{path}" for kind, path in places.items()]
    assert findings_of(*locations) == []


@pytest.mark.peer("umoci", "skopeo")
def test_images_of_umoci_have_no_errors(upper: Path, tmp_path: Path, docker_registry: DockerRegistry) -> None:
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    image = f"{layout}:v1"
    umoci("init", "--layout", layout)
    umoci("new", "--image", image)
    umoci("insert", "--image", image, upper, "/")
    umoci("unpack", "--image", image, bundle)
    change(bundle / "rootfs")
    umoci("repack", "--image", image, bundle)
    umoci("insert", "--image", image, "--whiteout", "/dangling")
    umoci("insert", "--image", image, "--opaque", upper / "bin", "/bin")
    umoci("config", "--image", image, "--config.label", "team=web", "--config.cmd", "/bin/tool")
    place = f"{docker_registry.host}/verify/umoci:v1"
    skopeo("copy", f"oci:{image}", f"docker://{place}")
    assert findings_of(f"oci:{layout}", place) == []


PATHS = ("a", "./b", "/a", "d", "d/a", "d/b", "d/e/f", "a/x", "../q", "l/m", "l/m/n")
TARGETS = ("a", "b", "d", "d/a", "../d", "/d", "../../x", "/etc", "l/m", "nowhere")


def random_member(chance: random.Random) -> str:
    """One member, as `tar_of` takes it."""
    path, kind = chance.choice(PATHS), chance.choice(("file", "file", "directory", "symlink", "hardlink", "whiteout"))
    if kind == "whiteout":
        directory, slash, name = path.rpartition("/")
        return f"file {directory}{slash}.wh.{chance.choice((name, name, '.wh..opq', ''))}"
    return f"{kind} {path} -> {chance.choice(TARGETS)}" if kind.endswith("link") else f"{kind} {path}"


def refuses(client: Callable[[], object]) -> bool:
    try:
        client()
    except ProgramError:
        return True
    return False


@pytest.mark.peer("podman", "umoci")
def test_layers_that_podman_or_umoci_refuse_are_refused(podman: Podman, tmp_path: Path) -> None:
    chance, refused = random.Random(4), 0
    for number in range(14):
        members = [random_member(chance) for _ in range(chance.randint(1, 4))]
        layout = tmp_path / str(number)
        top = {"annotations": {"org.opencontainers.image.ref.name": "v1"}}
        layout_of({"images": [{"layers": [{"members": members}]}], "top": top}).write(layout)
        clients = (
            lambda layout=layout: podman.pull(f"oci:{layout}:v1"),
            lambda layout=layout: umoci("unpack", "--image", f"{layout}:v1", f"{layout}-bundle"),
        )
        if any(refuses(client) for client in clients):
            refused += 1
            with api.Places() as places:
                report = api.verify([parse_location(f"oci:{layout}")], places)
            assert any(finding.is_error for finding in report.findings), members
    assert 3 < refused < 14
