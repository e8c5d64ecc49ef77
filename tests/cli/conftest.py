"""Running the command line inside the test process, for what needs no process of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import pytest

from ocibuild.cli.app import run
from tests.cli.program import Done, write_tree

SPEC = """\
apiVersion: ocibuild/v1
vars:
  version: {default: "1.0"}
image: registry.example/team/app
tags: ["{{ version }}", latest]
platforms: [linux/amd64, linux/arm64]
metadata: {description: An app, licenses: MIT}
layers:
  - name: app
    files:
      - {text: "{{ platform.arch }}\\n", to: /etc/app}
"""


class Cli(Protocol):
    """`cli("build", "--json")`: the outcome of one command, run in the test's working directory."""

    def __call__(self, *arguments: str | Path) -> Done: ...


@pytest.fixture(autouse=True)
def nothing_of_the_tester(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests changes what they see."""
    for name in list(os.environ):
        if name.startswith(("OCIBUILD_", "CI_", "GITHUB_", "GITLAB_", "XDG_", "DOCKER_")) or name in (
            "CI",
            "NO_COLOR",
            "FORCE_COLOR",
        ):
            monkeypatch.delenv(name)
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command in this process."""

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err, err
        assert "internal error" not in err, err
        return Done(status, out, err)

    return call


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a spec for two platforms, and the working directory of the test."""
    write_tree(tmp_path, {"ocibuild.yaml": SPEC})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def built(project: Path, cli: Cli) -> str:
    """The digest of the project's image, built into its `.ocibuild/layout`."""
    done = cli("build", "-q")
    assert done.status == 0, done.stderr
    return done.digest
