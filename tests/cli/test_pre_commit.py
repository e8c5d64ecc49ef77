"""The hooks with the real pre-commit: a bad label fails the commit with file and line, the mended one passes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import ROOT, write_tree

TIMEOUT = 300
SPEC = """\
apiVersion: ocibuild/v1
metadata:
  source: https://github.com/OWNER/hello
layers: [{files: [{text: hello, to: /etc/motd}]}]
"""
DOCKERFILE = """\
FROM scratch
LABEL org.opencontainers.image.source=https://github.com/octocat/hello \\
      org.opencontainers.image.licenses="Apache 2.0"
"""
# What an installation of this repository needs; pre-commit makes a clone of it, and installs that.
INSTALLED = (
    "ocibuild",
    "schemas",
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "LICENSE",
    ".pre-commit-hooks.yaml",
)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the hooks, as users name it in their configuration."""
    directory = tmp_path_factory.mktemp("hooks")
    for name in INSTALLED:
        source, target = ROOT / name, directory / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(source, target)
    _commit_all(directory)
    return directory


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs pre-commit with a cache of its own, so that the hooks are installed once."""
    home = tmp_path_factory.mktemp("pre-commit")
    if shutil.which("git") is None:
        pytest.skip("needs git")
    pytest.importorskip("pre_commit")

    def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "OCIBUILD_"))}
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", *arguments],
            cwd=cwd,
            env={**kept, "PRE_COMMIT_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    return call


def _commit_all(directory: Path) -> None:
    identity = ("-c", "user.name=octocat", "-c", "user.email=octocat@octo.invalid", "-c", "commit.gpgsign=false")
    for words in (("init", "--quiet"), ("add", "--all"), (*identity, "commit", "--quiet", "--message", "all")):
        subprocess.run(["git", *words], cwd=directory, check=True, capture_output=True, timeout=TIMEOUT)


def test_a_bad_label_fails_the_commit_and_the_mended_one_passes(hooks: Path, run: Run, tmp_path: Path) -> None:
    write_tree(tmp_path, {"app/ocibuild.yaml": SPEC, "Dockerfile": DOCKERFILE, "other.yaml": "a: [", "README": "",
                          "Dockerfile.j2": "FROM {{ base }}"})  # fmt: skip
    _commit_all(tmp_path)
    failed = run("try-repo", str(hooks), "--all-files", cwd=tmp_path)
    if "An unexpected error has occurred" in failed.stdout + failed.stderr and os.environ.get("CI") != "true":
        pytest.skip("pre-commit cannot install the hooks here: does pip reach an index?")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert failed.stdout.count("Failed") == 2
    assert "app/ocibuild.yaml:3:11: error: " in failed.stdout
    assert "Dockerfile:3:41: error: " in failed.stdout
    assert "other.yaml" not in failed.stdout
    assert "Dockerfile.j2" not in failed.stdout

    write_tree(tmp_path, {"app/ocibuild.yaml": SPEC.replace("OWNER", "octocat")})
    write_tree(tmp_path, {"Dockerfile": DOCKERFILE.replace("Apache 2.0", "Apache-2.0")})
    passed = run("try-repo", str(hooks), "--all-files", cwd=tmp_path)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert passed.stdout.count("Passed") == 2
