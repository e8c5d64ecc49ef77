"""Images that are made in several places: on a base in the registry, and one platform a runner."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.program import succeed, write_tree
from tests.oracles.layouts import image_for, read_layout
from tests.peers.clients import Podman, skopeo
from tests.peers.docker_registry import DockerRegistry

pytestmark = pytest.mark.peer("docker-registry")

BASE = """\
apiVersion: ocibuild/v1
image: {host}/shared/base
tags: [v1]
platforms: [linux/amd64, linux/arm64]
config: {{env: {{LANG: C.UTF-8}}, entrypoint: [/bin/base]}}
layers:
  - name: common
    files: [{{text: common, to: /etc/common}}, {{text: base, to: /etc/name}}]
  - name: own
    files: [{{text: "{{{{ platform.arch }}}}", to: /etc/arch}}]
"""
APP = """\
apiVersion: ocibuild/v1
image: {host}/shared/app
tags: [v1]
platforms: [linux/amd64, linux/arm64]
base: {host}/shared/base:v1
metadata: {{description: Stands on a base, licenses: MIT}}
config: {{cmd: [serve]}}
layers:
  - name: app
    files: [{{text: "app for {{{{ platform.arch }}}}", to: /etc/app}}, {{text: app, to: /etc/name}}]
"""


@pytest.fixture
def host(docker_registry: DockerRegistry, tmp_path: Path) -> str:
    """The registry, which holds the base."""
    base = write_tree(tmp_path / "base", {"ocibuild.yaml": BASE.format(host=docker_registry.host)})
    succeed("build", "-q", "--push", cwd=base)
    return docker_registry.host


def asked(registry: DockerRegistry, since: int) -> Sequence[tuple[str, str]]:
    """Method and target of the requests that the registry's log has from there on."""
    with registry.log.open() as log:
        log.seek(since)
        found: list[tuple[str, str]] = re.findall(r'"([A-Z]+) (/v2/\S+) HTTP', log.read())
    return found


def test_a_base_in_the_same_registry_stays_there(
    host: str, docker_registry: DockerRegistry, podman: Podman, tmp_path: Path
) -> None:
    app = write_tree(tmp_path / "app", {"ocibuild.yaml": APP.format(host=host)})
    since = docker_registry.log.stat().st_size
    digest = succeed("build", "-q", "--push", cwd=app).digest
    base = read_layout(tmp_path / "base/.ocibuild/layout")
    base_layers = {layer.descriptor["digest"] for image in base for layer in image.layers}
    requests = asked(docker_registry, since)
    assert not [path for method, path in requests if method == "GET" and path.rpartition("/")[2] in base_layers]
    mounted = {
        digest for digest in base_layers for _, path in requests if f"mount={digest.replace(':', '%3A')}" in path
    }
    assert mounted == base_layers

    for platform in ("amd64", "arm64"):
        image = podman.pull(f"{host}/shared/app:v1", "--platform", f"linux/{platform}")
        root = podman.mount(image)
        assert [(root / f"etc/{name}").read_text() for name in ("common", "arch", "app", "name")] == [
            "common",
            platform,
            f"app for {platform}",
            "app",
        ]
        (settings,) = json.loads(podman("image", "inspect", image).stdout)
        assert settings["Config"]["Entrypoint"] == ["/bin/base"]
        assert settings["Config"]["Cmd"] == ["serve"]
        assert settings["Annotations"]["org.opencontainers.image.base.name"] == f"{host}/shared/base:v1"
    assert succeed("digest", f"{host}/shared/app:v1", cwd=app).digest == digest


@pytest.mark.peer("skopeo", "podman")
def test_runners_push_by_digest_and_one_of_them_makes_the_index(host: str, podman: Podman, tmp_path: Path) -> None:
    spec = {"ocibuild.yaml": APP.format(host=host).replace("shared/app", "shared/apart")}
    pushed = []
    for platform in ("linux/amd64", "linux/arm64"):
        runner = write_tree(tmp_path / platform, spec)
        succeed("build", "-q", "--platform", platform, cwd=runner)
        pushed.append(succeed("push", "-q", "--by-digest", cwd=runner).stdout.strip())
    assert all(re.fullmatch(rf"{host}/shared/apart@sha256:[0-9a-f]{{64}}", name) for name in pushed)
    merged = succeed("index", "create", "-q", f"{host}/shared/apart:v1", *pushed, cwd=tmp_path)

    whole = write_tree(tmp_path / "whole", spec)
    assert succeed("build", "-q", cwd=whole).stdout == merged.stdout
    raw = skopeo("inspect", "--raw", f"docker://{host}/shared/apart:v1").stdout
    assert raw.encode() == (whole / ".ocibuild/layout/blobs/sha256" / merged.digest.partition(":")[2]).read_bytes()
    succeed("pull", "-q", f"{host}/shared/apart:v1", "-o", "oci:pulled", cwd=tmp_path)
    config = image_for(read_layout(tmp_path / "pulled"), "linux/arm64").manifest["config"]["digest"]
    assert f"sha256:{podman.pull(f'{host}/shared/apart:v1', '--platform', 'linux/arm64')}" == config
