"""The examples that take several runs: runners that build apart, and a repository of images."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.ci.outputs import read_outputs
from tests.cli.program import ocibuild, succeed
from tests.examples.conftest import EXAMPLES
from tests.fake_registry import digest_of
from tests.oracles.layouts import read_layout
from tests.peers.clients import skopeo
from tests.peers.docker_registry import DockerRegistry
from tests.peers.programs import call, require

IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")


def copy_of(name: str, place: Path) -> Path:
    """The example as a checkout of its own has it."""
    return Path(shutil.copytree(EXAMPLES / name, place, ignore=shutil.ignore_patterns(".ocibuild")))


PLATFORMS = ("linux/amd64", "linux/arm64")


def test_runners_build_apart_and_the_index_is_that_of_one_build(
    tmp_path: Path, docker_registry: DockerRegistry
) -> None:
    image = f"{docker_registry.host}/octocat/apart"
    outputs = {platform: tmp_path / f"{platform.replace('/', '-')}.outputs" for platform in PLATFORMS}
    with ThreadPoolExecutor() as threads:
        runs = [threads.submit(runner, tmp_path, image, platform, outputs[platform]) for platform in PLATFORMS]
        refs = [run.result() for run in runs]
    assert [read_outputs(outputs[platform])["ref"] for platform in PLATFORMS] == refs
    assert ocibuild("ls", image, cwd=tmp_path).stdout == "", "no tag moves before everything is there"
    merged = succeed("index", "create", "-q", f"{image}:1.0.0", "-t", "latest", *refs, cwd=tmp_path)
    whole = copy_of("runner-per-platform", tmp_path / "whole")
    assert succeed("build", "-q", cwd=whole).digest == merged.digest
    assert succeed("ls", image, cwd=tmp_path).stdout.split() == ["1.0.0", "latest"]
    for tag in ("1.0.0", "latest"):
        raw = skopeo("inspect", "--raw", f"docker://{image}:{tag}").stdout
        assert digest_of(raw.encode()) == merged.digest
    pulled = tmp_path / "pulled"
    skopeo("copy", "--all", f"docker://{image}:latest", f"oci:{pulled}:latest")
    made = {read.platform: read.layers[-1].contents()["usr/local/bin/apart"] for read in read_layout(pulled)}
    assert made == {platform: f"made for {platform.partition('/')[2]}\n".encode() for platform in PLATFORMS}


def runner(place: Path, image: str, platform: str, outputs: Path) -> str:
    """One runner: a machine of its own, with a checkout and a cache of its own; what it prints."""
    home = place / platform.replace("/", "-")
    checkout = copy_of("runner-per-platform", home / "checkout")
    environment = {"HOME": str(home), "GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(outputs)}
    words = ("build", "-q", "--platform", platform, "--push", "--by-digest", "-t", f"{image}:1.0.0")
    return succeed(*words, cwd=checkout, env=environment).stdout.strip()


def test_layouts_of_runners_merge_too(tmp_path: Path) -> None:
    for platform in PLATFORMS:
        checkout = copy_of("runner-per-platform", tmp_path / platform)
        succeed("build", "-q", "--platform", platform, cwd=checkout)
    sources = [f"oci:{tmp_path / platform / '.ocibuild/layout'}" for platform in PLATFORMS]
    merged = succeed("index", "create", "-q", "oci:merged:1.0.0", *sources, cwd=tmp_path)
    whole = copy_of("runner-per-platform", tmp_path / "whole")
    assert succeed("build", "-q", cwd=whole).digest == merged.stdout.strip()
    assert [image.platform for image in read_layout(tmp_path / "merged")] == list(PLATFORMS)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A checkout of the repository of images, with one commit."""
    require("git")
    place = copy_of("many-images", tmp_path / "many-images")
    (place / ".gitignore").write_text(".ocibuild/\n")
    call("git", "-C", place, "init", "-q", "-b", "main")
    commit(place)
    return place


def commit(place: Path) -> None:
    call("git", "-C", place, "add", "-A")
    call("git", "-C", place, *IDENTITY, "commit", "-q", "-m", "images")


def built(place: Path, *arguments: str) -> list[str]:
    """The images that a build printed, by their names."""
    return [line.partition("@")[0] for line in succeed("build", *arguments, cwd=place).stdout.splitlines()]


def test_one_command_builds_them_all(images: Path) -> None:
    web, tools = "ghcr.io/octocat/web", "ghcr.io/octocat/tools"
    assert built(images, "-f", ".") == [tools, tools, web]
    names = {name for image in read_layout(images / ".ocibuild/layout") for name in image.names}
    assert names == {"1.0.0-slim", "1.0.0-full", "1.0.0"}
    assert built(images, "-f", "tools", "--set", "variant=slim") == [tools]


def test_only_what_a_commit_changes_is_built_again(images: Path) -> None:
    assert built(images, "-f", ".", "--changed-since", "HEAD") == []
    (images / "web/files/index.html").write_text("changed")
    commit(images)
    assert built(images, "-f", ".", "--changed-since", "HEAD~1") == ["ghcr.io/octocat/web"]


def test_what_they_share_and_what_is_their_own_comes_together(images: Path) -> None:
    specs = succeed("render", "--json", "-f", ".", cwd=images).json["specs"]
    by_tag = {spec["tags"][0]: spec for spec in specs}
    assert set(by_tag) == {"1.0.0-slim", "1.0.0-full", "1.0.0"}
    assert by_tag["1.0.0"]["config"] == {"user": "65532:65532", "env": {"LANG": "C.UTF-8"}, "ports": ["8080/tcp"]}
    assert by_tag["1.0.0-full"]["labels"] == {"com.example.variant": "full"}
    assert ocibuild("lint", ".", cwd=images).status == 0
