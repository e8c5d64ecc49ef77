"""A repository on GitHub with a release, and runners that work on it."""

from __future__ import annotations

import itertools
import json
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.ci.conftest import IDENTITY
from tests.cli.program import ROOT, write_tree
from tests.peers.programs import SEARCH_PATH, call, require
from tests.workflows.runner import Job, StandIn

REPOSITORY = "octocat/hello"
TOKEN = "ghs_0123456789abcdef"
ACTIONS = {"./": ROOT, "ocibuild/ocibuild": ROOT}


class Repository:
    """The repository that workflows check out: `git(...)` runs git in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def git(self, *arguments: str) -> str:
        return call("git", "-C", self.directory, *arguments, env=IDENTITY).stdout.strip()

    def commit(self, files: Mapping[str, str], *, tag: str | None = None) -> str:
        """A commit of these files, and of all else that is there; gives its name."""
        write_tree(self.directory, files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        if tag:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One without a commit."""
    require("git")
    directory = tmp_path / "repository"
    directory.mkdir()
    repository = Repository(directory)
    repository.git("init", "-q", "-b", "main")
    return repository


class Runners:
    """Calling it gives a fresh runner for a push (or the event `name`) of `ref`, in which the action was used before and has installed ocibuild.

    `variables` are in the environment of the machine, `event` adds to what GitHub says of the push.
    """

    def __init__(self, directory: Path, repository: Repository, installed: Path) -> None:
        self._directory = directory
        self._repository = repository
        self._installed = installed
        self._numbers = itertools.count()

    def __call__(
        self,
        ref: str,
        variables: Mapping[str, str] | None = None,
        *,
        name: str = "push",
        event: Mapping[str, Any] | None = None,
        stand_ins: Mapping[str, StandIn] | None = None,
    ) -> Job:
        place = self._directory / f"runner-{next(self._numbers)}"
        for directory in ("work", "temp", "home"):
            (place / directory).mkdir(parents=True)
        for found in self._installed.glob("ocibuild-*"):
            (place / "temp" / found.name).symlink_to(found)
        github = self._github(ref, name)
        payload = {"repository": {"default_branch": "main"}, **(event or {})}
        (place / "event.json").write_text(json.dumps(payload))
        environ = {
            **{f"GITHUB_{name.upper()}": value for name, value in github.items()},
            **_environment(place, place / "temp"),
            "GITHUB_EVENT_PATH": str(place / "event.json"),
            "GITHUB_WORKSPACE": str(place / "work"),
            **(variables or {}),
        }
        contexts = {
            "github": {**github, "token": TOKEN, "event": payload, "workspace": str(place / "work")},
            "runner": {"os": "Linux", "temp": str(place / "temp")},
        }
        known = {"actions/checkout": _checkout(self._repository), "actions/setup-python": _setup_python}
        return Job(place / "work", place / "temp", environ, contexts, {**known, **(stand_ins or {})}, ACTIONS)

    def _github(self, ref: str, event: str) -> dict[str, str]:
        return {
            "actor": "octocat",
            "event_name": event,
            "ref": ref,
            "ref_name": ref.split("/", 2)[-1],
            "repository": REPOSITORY,
            "repository_owner": "octocat",
            "run_id": "1",
            "server_url": "https://github.com",
            "sha": self._repository.git("rev-parse", f"{ref}^{{commit}}"),
        }


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RUNNER_TEMP in which the action has installed ocibuild, by its own steps; once for all processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "installed"
    with FileLock(f"{place}.lock"):
        if not place.exists():
            place.mkdir()
            _install(place)
    return place


def _install(place: Path) -> None:
    contexts = {"github": {"actor": "", "token": ""}, "runner": {}}
    job = Job(place, place, _environment(place, place), contexts, {"actions/setup-python": _setup_python}, ACTIONS)
    job.run([{"uses": "./", "with": {"install-only": True}}], contexts, {})
    assert not job.failed, job.log


@pytest.fixture
def new_job(tmp_path: Path, repository: Repository, installed: Path) -> Runners:
    return Runners(tmp_path, repository, installed)


def _environment(home: Path, temp: Path) -> dict[str, str]:
    return {
        **python_without_network(),
        "PATH": SEARCH_PATH,
        "HOME": str(home / "home"),
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "RUNNER_TEMP": str(temp),
    }


def python_without_network() -> dict[str, str]:
    """A Python that has all that pip would fetch, for tests know no network: pip installs what it is told to, and no more."""
    return {
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_ROOT_USER_ACTION": "ignore",
    }


def _checkout(repository: Repository) -> StandIn:
    """As actions/checkout does it: one commit, without history, tags or branches, unless `fetch-depth: 0` asks for all."""

    def checkout(job: Job, inputs: Mapping[str, str]) -> Mapping[str, str]:
        def git(*words: str) -> None:
            call("git", "-C", job.workspace, *words)

        github = job.contexts["github"]
        git("init", "-q")
        git("remote", "add", "origin", f"https://github.com/{REPOSITORY}")
        origin = f"file://{repository.directory}"
        if inputs.get("fetch-depth") == "0":
            git("fetch", "-q", origin, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        else:
            here = github["ref"].replace("refs/heads/", "refs/remotes/origin/")
            git("fetch", "-q", "--no-tags", "--depth", "1", origin, f"+{github['ref']}:{here}")
        git("checkout", "-q", "--detach", github["sha"])
        return {"commit": github["sha"], "ref": github["ref"]}

    return checkout


def _setup_python(job: Job, inputs: Mapping[str, str]) -> Mapping[str, str]:
    assert inputs["update-environment"] == "false", "the Python of the workflow's own steps stays as it is"
    return {"python-path": sys.executable, "python-version": inputs["python-version"]}
