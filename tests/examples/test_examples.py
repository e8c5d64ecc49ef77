"""What each example promises is what its image holds, as others read it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.program import ocibuild, succeed
from tests.examples.conftest import ALL, EXAMPLES, NAMES
from tests.fake_registry import FakeRegistry
from tests.oracles.layouts import OCI, Image, image_for
from tests.peers.clients import skopeo
from tests.peers.programs import call, require_root

Images = Mapping[str, list[Image]]
ANNOTATION = "org.opencontainers.image."
SPDX_SOURCE_DESCRIPTION = {f"{ANNOTATION}{key}" for key in ("source", "description", "licenses")}


@pytest.mark.parametrize("name", ALL)
def test_each_has_a_readme_and_a_spec_that_editors_can_check(name: str) -> None:
    directory = EXAMPLES / name
    assert (directory / "README.md").read_text().startswith(f"# {name}\n")
    first = (directory / "ocibuild.yaml").read_text().splitlines()[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert json.loads((directory / schema).read_text())["$schema"]


def test_the_committed_programs_are_those_that_the_script_makes(tmp_path: Path) -> None:
    script = (
        "import make_hello, sys; [sys.exit(str(p)) for p, b in make_hello.programs().items() if p.read_bytes() != b]"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=EXAMPLES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_each_builds_to_a_layout_that_keeps_its_promises(images: Images, name: str) -> None:
    assert images[name]
    for image in images[name]:
        assert len(image.config["history"]) == len(image.layers)


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("windows-foreign-layers", "docker-format")])
def test_skopeo_reads_each(examples: Path, images: Images, name: str) -> None:
    (tag, *_) = (name for image in images[name] for name in image.names)
    said = json.loads(skopeo("inspect", f"oci:{examples / name}/.ocibuild/layout:{tag}").stdout)
    image = image_for(images[name], "linux/amd64")
    assert said["Architecture"] == "amd64"
    assert said["Layers"] == [layer.descriptor["digest"] for layer in image.layers]


@pytest.mark.peer("skopeo")
def test_skopeo_reads_the_docker_archive(examples: Path, tmp_path: Path) -> None:
    output = f"docker-archive:{tmp_path}/hello.tar"
    succeed("build", "--platform", "linux/amd64", "-o", output, cwd=examples / "docker-format")
    said = json.loads(skopeo("inspect", output).stdout)
    assert (said["Os"], said["Architecture"]) == ("linux", "amd64")


@pytest.mark.parametrize("name", NAMES)
def test_inspect_shows_each(examples: Path, images: Images, name: str) -> None:
    shown = succeed("inspect", "oci:.ocibuild/layout", "--json", cwd=examples / name).json
    assert {image["digest"] for image in shown["images"]} == {image.digest for image in images[name]}


@pytest.mark.parametrize("name", NAMES)
def test_each_is_the_same_when_it_is_built_elsewhere(examples: Path, tmp_path: Path, name: str) -> None:
    digest = succeed("digest", "oci:.ocibuild/layout", cwd=examples / name).digest
    env = {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    again = succeed("build", "-q", "-j", "1", "-o", f"oci:{tmp_path}/out", cwd=examples / name, env=env)
    assert again.digest == digest


def test_hello_static_runs_from_its_one_layer(images: Images, tmp_path: Path) -> None:
    (image,) = images["hello-static"]
    (layer,) = image.layers
    assert [entry.name for entry in layer.entries()] == ["hello"]
    with layer.uncompressed() as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(tmp_path, filter="tar")
    assert (tmp_path / "hello").stat().st_mode & 0o777 == 0o755
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the program is for amd64")
    assert _run_in(tmp_path, image.config["config"]["Entrypoint"]) == "hello from one static file\n"


def _run_in(root: Path, entrypoint: list[str]) -> str:
    """What the program prints, under chroot where we may."""
    require_root()
    return call("chroot", root, *entrypoint).stdout


def test_multi_arch_binaries_agree_on_platforms_and_metadata(images: Images) -> None:
    found = images["multi-arch-binaries"]
    assert sorted(image.platform for image in found) == ["linux/amd64", "linux/arm64"]
    for image in found:
        (index,) = image.indexes
        assert image.descriptor["platform"] == {"os": "linux", "architecture": image.config["architecture"]}
        for place in (index["annotations"], image.manifest["annotations"], image.config["config"]["Labels"]):
            assert place.keys() >= SPDX_SOURCE_DESCRIPTION
            assert place[f"{ANNOTATION}version"] == "1.0.0"
        program = image.layers[1].contents()["usr/local/bin/hello"]
        assert program == (EXAMPLES / f"multi-arch-binaries/bin/{image.config['architecture']}/hello").read_bytes()
    amd64, arm64 = image_for(found, "linux/amd64"), image_for(found, "linux/arm64")
    assert amd64.layers[0].blob == arm64.layers[0].blob
    assert (len(amd64.layers), len(arm64.layers)) == (3, 2)


def test_static_site_holds_what_its_patterns_leave(images: Images) -> None:
    image = image_for(images["static-site"], "linux/amd64")
    server, site = image.layers
    assert server.media_type.endswith("tar+zstd")
    assert site.contents().keys() == {
        f"usr/share/nginx/html/{name}" for name in ("index.html", "style.css", "robots.txt")
    }
    assert server.contents()["etc/nginx/conf.d/default.conf"].startswith(b"# Example site\nserver {\n")


def test_base_and_overlay_merges_removes_and_replaces(images: Images, examples: Path) -> None:
    image = image_for(images["base-and-overlay"], "linux/arm64")
    base = succeed("inspect", "--json", "oci:.ocibuild/base", cwd=examples / "base-and-overlay").json
    (below,) = [one for one in base["images"] if one["platform"] == "linux/arm64"]
    assert [layer["digest"] for layer in below["layers"]] == [image.layers[0].descriptor["digest"]]
    settings = image.config["config"]
    assert sorted(settings["Env"]) == ["GREETING=good evening", "PATH=/usr/local/bin:/usr/bin:/bin"]
    assert settings["ExposedPorts"].keys() == {"8080/tcp", "9090/tcp"}
    assert settings["WorkingDir"] == "/srv"
    assert settings["Entrypoint"] == ["/usr/bin/greet"]
    assert not settings.get("Cmd")
    assert image.manifest["annotations"][f"{ANNOTATION}base.digest"] == base["digest"]
    names = [entry.name for entry in image.layers[1].entries()]
    assert {"etc/greet/conf.d/.wh.debug.conf", "usr/share/doc/greet/.wh..wh..opq"} <= set(names)


@pytest.mark.peer("umoci")
def test_base_and_overlay_unpacks_to_what_is_left(images: Images, examples: Path, tmp_path: Path) -> None:
    require_root()
    layout = tmp_path / "layout"
    place = examples / "base-and-overlay"
    succeed("copy", "--platform", "linux/amd64", "oci:.ocibuild/layout", f"oci:{layout}:one", cwd=place)
    call("umoci", "unpack", "--image", f"{layout}:one", tmp_path / "bundle")
    root = tmp_path / "bundle/rootfs"
    assert os.listdir(root / "usr/share/doc/greet") == ["readme.txt"]
    assert os.listdir(root / "etc/greet/conf.d") == []
    assert (root / "etc/greet/greet.conf").read_text() == "level = warning\n"


def test_docker_format_is_docker_through_and_through(images: Images) -> None:
    for image in images["docker-format"]:
        (index,) = image.indexes
        documents = [index, image.manifest, image.manifest["config"], *(layer.descriptor for layer in image.layers)]
        assert all(str(one["mediaType"]).startswith("application/vnd.docker.") for one in documents)
        assert image.config["config"]["Healthcheck"]["Interval"] == 30_000_000_000
        assert "annotations" not in image.manifest


def test_windows_keeps_its_foreign_layer_and_its_version(images: Images) -> None:
    (image,) = images["windows-foreign-layers"]
    foreign, tool = image.layers
    assert foreign.media_type == f"{OCI}.layer.nondistributable.v1.tar+gzip"
    assert foreign.descriptor["urls"] == ["https://layers.example/servercore-ltsc2022.tar.gz"]
    assert image.config["os.version"] == "10.0.20348.2700"
    assert "Files/tool/hello.cmd" in tool.contents()


def test_a_push_leaves_the_foreign_layer_where_it_is(
    images: Images, examples: Path, fake_registry: FakeRegistry
) -> None:
    (image,) = images["windows-foreign-layers"]
    foreign, tool = (layer.descriptor["digest"] for layer in image.layers)
    done = ocibuild("push", f"{fake_registry.host}/octocat/tool:1", cwd=examples / "windows-foreign-layers")
    assert done.status == 0, done.stderr
    assert "stays where its URLs point" in done.stderr
    assert fake_registry.blob("octocat/tool", tool) is not None
    assert fake_registry.blob("octocat/tool", foreign) is None
    assert not [record for record in fake_registry.requests() if foreign in record.target]
    pushed = fake_registry.manifest("octocat/tool", "1")
    assert pushed is not None
    assert pushed.data == json.dumps(image.manifest).encode() or json.loads(pushed.data) == image.manifest


@pytest.mark.peer("docker-registry")
@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "windows-foreign-layers"])
def test_each_is_pushed_and_read_back_by_skopeo(examples: Path, docker_registry: object, name: str) -> None:
    host = docker_registry.host  # type: ignore[attr-defined]
    pushed = succeed("push", "-q", f"{host}/examples/{name}:1", cwd=examples / name).stdout.strip()
    digest = succeed("digest", "oci:.ocibuild/layout", cwd=examples / name).digest
    assert pushed == f"{host}/examples/{name}@{digest}"
    said = skopeo("inspect", "--format", "{{.Digest}}", f"docker://{host}/examples/{name}:1").stdout.strip()
    assert said == digest
