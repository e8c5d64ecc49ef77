"""Each example does what its README says, command by command, and what comes of it is what it promises."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import ROOT
from tests.docs.markdown import steps
from tests.docs.pages import EXAMPLE_PAGES
from tests.docs.sandbox import Sandbox, git_project
from tests.oracles.layouts import Image, image_for, read_layout
from tests.peers.programs import require

Check = Callable[[Sandbox], None]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """What is to be true once the commands of the example `name` have run."""

    def add(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return add


@pytest.mark.parametrize("page", EXAMPLE_PAGES, ids=lambda page: page.parent.name)
def test_an_example_does_what_it_says(sandbox: Sandbox, page: Path) -> None:
    left_out = shutil.ignore_patterns(".ocibuild", "__pycache__")
    shutil.copytree(ROOT / "schemas", sandbox.project.parent / "schemas")
    shutil.copytree(page.parent, sandbox.project, ignore=left_out, dirs_exist_ok=True)
    git_project(sandbox.project, {".gitignore": ".ocibuild/\n"})
    sandbox.follow(steps(page.read_text("utf-8")))
    if page.parent.name in CHECKS:
        CHECKS[page.parent.name](sandbox)


def test_there_are_many_and_each_check_has_one() -> None:
    names = {page.parent.name for page in EXAMPLE_PAGES}
    assert len(names) >= 20
    assert set(CHECKS) <= names


def ocibuild(sandbox: Sandbox, *words: str) -> str:
    command = ["ocibuild", *words]
    return subprocess.run(
        [require("env"), *command], cwd=sandbox.project, env=sandbox.environment, check=True, capture_output=True, text=True
    ).stdout  # fmt: skip


def whole(sandbox: Sandbox, image: str) -> list[Image]:
    """The images that a name leads to, with all their layers, each of them checked."""
    ocibuild(sandbox, "copy", "-q", image, "oci:whole")
    return read_layout(sandbox.project / "whole")


def files(image: Image, layer: int) -> set[str]:
    return set(image.layers[layer].contents())


@check("python-app")
def python_app(sandbox: Sandbox) -> None:
    for image in whole(sandbox, "ghcr.io/octocat/python-app:1.0.0"):
        assert files(image, -2) == {
            f"srv/site-packages/greeting{name}" for name in ("/__init__.py", "-1.0.dist-info/METADATA")
        }
        assert files(image, -1) == {"srv/app/__main__.py"}
        assert image.config["config"]["Entrypoint"] == ["python", "-m", "app"]
        assert image.config["config"]["Env"][0].startswith("PATH="), "that of the base"
        assert "Cmd" not in image.config["config"]


@check("node-app")
def node_app(sandbox: Sandbox) -> None:
    image = image_for(whole(sandbox, "oci:.ocibuild/layout:latest"), "linux/arm64")
    assert files(image, -2) == {"srv/node_modules/left/index.js", "srv/node_modules/left/package.json"}
    assert files(image, -1) == {"srv/package.json", "srv/src/server.js"}


@check("java-jar")
def java_jar(sandbox: Sandbox) -> None:
    image = image_for(whole(sandbox, "oci:.ocibuild/layout:latest"), "linux/amd64")
    assert (files(image, -2), files(image, -1)) == ({"srv/dependencies/words.jar"}, {"srv/libs/app.jar"})


@check("config-bundle")
def config_bundle(sandbox: Sandbox) -> None:
    (image,) = whole(sandbox, "ghcr.io/octocat/config:production")
    (layer,) = image.layers
    assert layer.media_type.endswith(".tar")
    assert layer.contents()["settings.yaml"] == b"stage: production\nreplicas: 3\n"
    assert files(image, 0) == {"settings.yaml", "rules/access.yaml"}
    assert {entry.mode for entry in layer.entries() if entry.isreg()} == {0o444}


@check("matrix-versions")
def matrix_versions(sandbox: Sandbox) -> None:
    for version in ("3.12", "3.13"):
        said = json.loads(
            ocibuild(sandbox, "inspect", "--config", "--platform", "linux/amd64", f"ghcr.io/octocat/tools:py{version}")
        )
        assert said["config"]["Labels"]["com.example.python"] == version
        assert f"python:{version}-slim" in (sandbox.project / "ocibuild.lock").read_text()


@check("sbom")
def sbom(sandbox: Sandbox) -> None:
    listed = json.loads(ocibuild(sandbox, "referrers", "--json", "ghcr.io/octocat/with-sbom:1.0.0"))
    assert "application/spdx+json" in json.dumps(listed)
    blobs = [file.read_bytes() for file in (sandbox.project / "backup/blobs/sha256").iterdir()]
    assert (sandbox.project / "sbom.spdx.json").read_bytes() in blobs


@check("wasm-module")
def wasm_module(sandbox: Sandbox) -> None:
    (image,) = whole(sandbox, "ghcr.io/octocat/wasm:latest")
    assert (image.platform, image.config["config"]["Entrypoint"]) == ("wasip1/wasm", ["/module.wasm"])


@check("air-gapped")
def air_gapped(sandbox: Sandbox) -> None:
    images = whole(sandbox, "registry.example/team/app:1.0.0")
    assert sorted(image.platform for image in images) == ["linux/amd64", "linux/arm64"]
    assert {len(image.layers) for image in images} == {2}
    assert "linux/arm64" in (sandbox.project / "app.html").read_text()


@check("mirror")
def mirror(sandbox: Sandbox) -> None:
    names = ["docker.io/library/debian:12-slim", "mirror.example/library/debian:12-slim"]
    first, second = (ocibuild(sandbox, "digest", name) for name in names)
    assert first == second
    assert len(whole(sandbox, "registry.example/team/app:latest")) == 2


@check("locked-base")
def locked_base(sandbox: Sandbox) -> None:
    spec = (sandbox.project / "ocibuild.yaml").read_text()
    (pinned,) = re.findall(r"^base: (.*)$", spec, re.MULTILINE)
    assert pinned.endswith(ocibuild(sandbox, "digest", "docker.io/library/debian:12-slim").strip())
    # Renovate's regular expressions are those of RE2, whose named groups Python writes otherwise.
    manager = json.loads((sandbox.project / "renovate.json").read_text())["customManagers"][0]
    (found,) = re.finditer(manager["matchStrings"][0].replace("(?<", "(?P<"), spec)
    assert (found["depName"], found["currentValue"]) == ("docker.io/library/debian", "12-slim")
    patterns = [pattern.strip("/").replace("\\/", "/") for pattern in manager["managerFilePatterns"]]
    assert [name for name in ("ocibuild.yaml", "a/web.ocibuild.yml") if not re.search(patterns[0], name)] == []


@check("label-policy")
def label_policy(sandbox: Sandbox) -> None:
    assert json.loads((sandbox.project / "codequality.json").read_text()) == []
    spec = sandbox.project / "ocibuild.yaml"
    spec.write_text(spec.read_text().replace("team: web", "team: nobody"))
    done = subprocess.run(
        [require("env"), "ocibuild", "lint"], cwd=sandbox.project, env=sandbox.environment, check=False, capture_output=True, text=True
    )  # fmt: skip
    assert (done.returncode, "ocibuild.yaml:12:" in done.stdout) == (1, True)


@check("least-privilege")
def least_privilege(sandbox: Sandbox) -> None:
    (image,) = whole(sandbox, "oci:.ocibuild/layout:latest")
    found = {entry.name.rstrip("/"): entry for layer in image.layers for entry in layer.entries()}
    assert (found["tmp"].mode, found["usr/local/bin/serve"].mode) == (0o1777, 0o555)
    assert (found["var/lib/serve"].uid, found["var/lib/serve"].gid, found["var/lib/serve"].mode) == (
        65532,
        65532,
        0o750,
    )
    assert "SCHILY.xattr.security.capability" in found["usr/local/bin/serve"].pax_headers


@check("aws-lambda")
def aws_lambda(sandbox: Sandbox) -> None:
    (image,) = whole(sandbox, "oci:.ocibuild/layout:1.0.0")
    assert (image.indexes[1:], image.platform) == ((), "linux/arm64")
    assert all(layer.media_type.endswith("+gzip") for layer in image.layers)
    assert image.config["config"]["Cmd"] == ["handler.handle"]


@check("release-tags")
def release_tags(sandbox: Sandbox) -> None:
    commit = subprocess.run(
        [require("git"), "rev-parse", "HEAD"], cwd=sandbox.project, check=True, capture_output=True, text=True
    ).stdout.strip()
    (image,) = whole(sandbox, "ghcr.io/octocat/released:1")
    prefix = "org.opencontainers.image."
    assert image.config["config"]["Labels"] == {
        prefix + "source": "https://github.com/octocat/hello",
        prefix + "revision": commit,
        prefix + "version": "1.2.3",
        prefix + "created": "2026-01-02T03:04:05Z",
        prefix + "title": "released",
        prefix + "description": "A site that is released by git tags",
        prefix + "licenses": "MIT",
    }
