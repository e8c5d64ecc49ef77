"""`build --changed-since`: a repository of images, of which only those are built that a commit concerns."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.program import write_tree
from tests.fake_registry import FakeRegistry
from tests.oracles.layouts import read_layout
from tests.peers.programs import require

SHARED = """\
apiVersion: ocibuild/v1
vars: {{name: {{required: true}}}}
image: {host}/team/{{{{ name }}}}
tags: [v1]
layers: [{{files: [{{copy: src, to: /srv}}]}}]
"""
SPEC = "apiVersion: ocibuild/v1\nextends: ../shared.yaml\nvars: {{name: {name}}}\n"


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit() -> str:
    git("add", "-A")
    git("commit", "-q", "-m", "change")
    return git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_registry: FakeRegistry) -> Path:
    """A checkout with three images and what they share, committed, and the working directory of the test."""
    require("git")
    place = write_tree(
        tmp_path / "images",
        {
            "shared.yaml": SHARED.format(host=fake_registry.host),
            ".gitignore": ".ocibuild/\n",
            **{f"{name}/ocibuild.yaml": SPEC.format(name=name) for name in ("one", "three", "two")},
            **{f"{name}/src/file": name for name in ("one", "three", "two")},
        },
    )
    monkeypatch.chdir(place)
    git("init", "-q", "-b", "main")
    commit()
    return place


def test_only_what_a_commit_concerns_is_built(cli: Cli, repository: Path, fake_registry: FakeRegistry) -> None:
    write_tree(repository, {"two/src/file": "changed", "README.md": "new"})
    commit()
    done = cli("build", "-f", ".", "--changed-since", "HEAD~1")
    assert done.status == 0
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{fake_registry.host}/team/two@sha256:")
    for name in ("one", "three"):
        assert f"{fake_registry.host}/team/{name}:v1 is left out" in done.stderr
    assert "1 image of 1 layer" in done.stderr
    assert "2 images left out" in done.stderr
    assert len(read_layout(repository / ".ocibuild/layout")) == 1


@pytest.mark.parametrize(("options", "names"), [([], 0), (["-v"], 4)])
def test_of_many_that_are_left_out_the_names_are_for_those_who_ask(
    cli: Cli, repository: Path, options: list[str], names: int
) -> None:
    write_tree(repository, {"four/ocibuild.yaml": SPEC.format(name="four"), "four/src/file": "four"})
    commit()
    done = cli("build", "-f", ".", "--changed-since", "HEAD", *options)
    assert done.stderr.count("is left out: nothing that it is made of has changed") == names
    (*_, total) = done.stderr.splitlines()
    assert total == f"note: nothing has changed; 4 images left out{'' if names else ' (-v names them)'}"


def test_those_that_are_left_out_are_counted_beside_what_is_built(cli: Cli, repository: Path) -> None:
    more = {f"{name}/ocibuild.yaml": SPEC.format(name=name) for name in ("four", "five")}
    write_tree(repository, {**more, "four/src/file": "four", "five/src/file": "five"})
    commit()
    write_tree(repository, {"one/src/file": "other"})
    (*_, total) = cli("build", "-f", ".", "--changed-since", "HEAD").stderr.splitlines()
    assert total.startswith("note: 1 image of 1 layer, ")
    assert total.endswith("; 4 images left out, as they have not changed (-v names them)")


def test_what_is_shared_concerns_all(cli: Cli, repository: Path) -> None:
    write_tree(repository, {"shared.yaml": (repository / "shared.yaml").read_text() + "labels: {a: b}\n"})
    done = cli("build", "-f", ".", "--changed-since", "HEAD")
    assert [line.partition("@")[0].rpartition("/")[2] for line in done.stdout.splitlines()] == ["one", "three", "two"]
    assert "3 images of 3 layers" in done.stderr


def test_with_nothing_to_do_all_is_well(
    cli: Cli, repository: Path, fake_registry: FakeRegistry, tmp_path: Path
) -> None:
    metadata = tmp_path / "metadata.json"
    done = cli("build", "-f", ".", "--push", "--changed-since", "HEAD", "--json", "--metadata-file", metadata)
    assert done.status == 0
    assert done.json["images"] == done.json["pushed"] == []
    assert [name.rpartition("/")[2] for name in done.json["skipped"]] == ["one:v1", "three:v1", "two:v1"]
    assert json.loads(metadata.read_text()) == []
    assert fake_registry.requests() == []
    assert not (repository / ".ocibuild").exists()


def test_quiet_says_nothing_of_it_and_json_lines_stay_json(cli: Cli, repository: Path) -> None:
    assert cli("build", "-q", "-f", ".", "--changed-since", "HEAD").stderr == ""
    done = cli("build", "--progress", "json", "-f", ".", "--changed-since", "HEAD")
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["noted"] * 4


def test_an_unknown_revision_is_an_error_with_a_hint(cli: Cli, repository: Path) -> None:
    done = cli("build", "-f", ".", "--changed-since", "origin/main")
    assert done.status == 2
    assert "origin/main" in done.stderr
    assert "fetch-depth" in done.stderr


def test_a_commit_that_a_forced_push_took_away_counts_as_all_changed(cli: Cli, repository: Path) -> None:
    done = cli("build", "-f", ".", "--changed-since", "1" * 40)
    assert done.status == 0
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.startswith(f"warning: git does not have commit {'1' * 40} in ")
    assert "fetch-depth" in done.stderr.splitlines()[0]


def test_many_images_end_with_one_summary(cli: Cli, repository: Path) -> None:
    done = cli("build", "-f", ".")
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.splitlines()[-1].startswith("note: 3 images of 3 layers, ")
    assert "note:" not in cli("build", "-f", "one").stderr, "one image speaks for itself"
