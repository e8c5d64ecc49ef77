"""The examples that take several runs: runners that build apart, and a repository of images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.program import ocibuild, succeed
from tests.examples.conftest import EXAMPLES
from tests.fake_registry import FakeRegistry, digest_of
from tests.oracles.layouts import read_layout
from tests.peers.programs import call, require

IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")


def copy_of(name: str, place: Path) -> Path:
    """The example as a checkout of its own has it."""
    return Path(shutil.copytree(EXAMPLES / name, place, ignore=shutil.ignore_patterns(".ocibuild")))


def test_runners_build_apart_and_the_index_is_that_of_one_build(tmp_path: Path, fake_registry: FakeRegistry) -> None:
    image = f"{fake_registry.host}/octocat/apart"
    pushed = []
    for platform in ("linux/amd64", "linux/arm64"):
        runner = copy_of("runner-per-platform", tmp_path / platform.replace("/", "-"))
        succeed("build", "-q", "--platform", platform, cwd=runner)
        pushed.append(succeed("push", "-q", "--by-digest", image, cwd=runner).stdout.strip())
    assert not fake_registry.manifest("octocat/apart", "1.0.0"), "no tag moves before everything is there"
    merged = succeed("index", "create", "-q", f"{image}:1.0.0", *pushed, cwd=tmp_path)
    whole = copy_of("runner-per-platform", tmp_path / "whole")
    assert succeed("build", "-q", cwd=whole).digest == merged.digest
    stored = fake_registry.manifest("octocat/apart", "1.0.0")
    assert stored is not None
    assert digest_of(stored.data) == merged.digest


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
