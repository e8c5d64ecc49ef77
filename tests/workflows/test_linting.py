"""Linters of others have nothing against the action, the template, and the workflows of our pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.program import ROOT, write_tree
from tests.workflows.gitlab import load
from tests.workflows.test_github_pages import WORKFLOWS
from tests.workflows.test_gitlab_pages import CHECKS, IMAGES, INCLUDES, PLATFORMS, RELEASE, TEMPLATE

TIMEOUT = 120


def lint(name: str, *arguments: str | Path) -> None:
    """Run a linter, of the environment that the tests run in or of the PATH. It is of the `dev` extra: in CI it is there."""
    program = shutil.which(name, path=os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"])))
    if program is None and os.environ.get("CI") != "true":
        pytest.skip(f"needs {name} (pip install {name})")
    assert program is not None, f"{name} is not there"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def workflows(tmp_path: Path) -> list[Path]:
    """The workflows of the page, where linters look for them."""
    write_tree(tmp_path / ".github/workflows", WORKFLOWS)
    return sorted((tmp_path / ".github/workflows").iterdir())


def test_security_of_the_action() -> None:
    lint("zizmor", "--offline", "--no-progress", "--persona", "auditor", ROOT / "action.yml")


def test_security_of_workflows(workflows: list[Path]) -> None:
    lint("zizmor", "--offline", "--no-progress", *workflows)


def test_form_of_the_action() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.github-actions", ROOT / "action.yml")


def test_form_of_workflows(workflows: list[Path]) -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)


@pytest.mark.parametrize("text", [RELEASE, PLATFORMS, IMAGES, CHECKS])
def test_form_of_pipelines(tmp_path: Path, text: str) -> None:
    (tmp_path / "given.yml").write_text(text)
    (tmp_path / "merged.yml").write_text(yaml.safe_dump(load(text, INCLUDES)))
    for name in ("given.yml", "merged.yml"):
        lint("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", tmp_path / name)


def test_form_of_the_template(tmp_path: Path) -> None:
    for number, document in enumerate(yaml.safe_load_all(TEMPLATE.read_text())):
        (tmp_path / f"{number}.yml").write_text(yaml.safe_dump(document))
        lint("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", tmp_path / f"{number}.yml")


def test_every_action_is_pinned_to_a_commit() -> None:
    used = [
        step["uses"]
        for text in [*WORKFLOWS.values(), (ROOT / "action.yml").read_text()]
        for holder in (yaml.safe_load(text).get("jobs", {}) | {"": yaml.safe_load(text).get("runs", {})}).values()
        for step in holder.get("steps", [])
        if "uses" in step
    ]
    assert len(used) > 10
    assert [name for name in used if len(name.partition("@")[2]) != 40] == []
