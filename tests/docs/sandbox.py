"""A place in which a page's commands run: a project, a registry that is every registry, and nothing of the tester."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import ROOT, command, environment
from tests.docs.internet import Trust, internet
from tests.docs.markdown import Command, File
from tests.peers.programs import SEARCH_PATH, require

TIMEOUT = 280.0
SHOWN_REGISTRY = "127.0.0.1:5000"
_OUTPUT = re.compile(r"^@@ (\d+)\n(.*?)^@@ ends (\d+)\n", re.MULTILINE | re.DOTALL)
# What differs between runs: digests (they are ours to change with the writer version), sizes and times.
_VARYING = [
    (re.compile(r"[0-9a-f]{64}"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "DIGEST"),
    (re.compile(r" +\d+(\.\d+)?s$", re.MULTILINE), ""),
    (re.compile(r"\b\d+(\.\d+)?(B|kB|MB)\b"), "SIZE"),
    (re.compile(r" {2,}"), "  "),
]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """`project` is the working directory, `registry` is HOST:PORT."""

    project: Path
    registry: str
    environment: dict[str, str]

    def follow(self, steps: Sequence[Command | File]) -> None:
        """Do what a page says, in one shell; AssertionError for the first command that does not end, or print, as it says."""
        done = subprocess.run(
            [require("bash"), "-u", "-c", self._script(steps)],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        ended = {int(number): (text, int(status)) for number, text, status in _OUTPUT.findall(done.stdout)}
        for number, step in enumerate(steps):
            if isinstance(step, Command) and step.needs is None:
                assert number in ended, f"line {step.line}: {step.text}: the shell has ended\n{done.stdout[-3000:]}"
                self._check(step, *ended[number])

    def _script(self, steps: Sequence[Command | File]) -> str:
        lines = ["exec 2>&1"]
        for number, step in enumerate(steps):
            if isinstance(step, File):
                saved = self.project.parent / f"file-{number}"
                saved.write_text(self._mapped(step.text))
                lines.append(f"mkdir -p \"$(dirname '{step.path}')\" && cp '{saved}' '{step.path}'")
            elif step.needs is None:
                ends = f'_status=$?; printf "\\n@@ ends %d\\n" $_status; [ $_status = {step.status} ] || exit'
                lines += [f"echo '@@ {number}'", self._mapped(step.text), ends]
        return "\n".join(lines)

    def _mapped(self, text: str) -> str:
        return text.replace(SHOWN_REGISTRY, self.registry)

    def _check(self, step: Command, output: str, status: int) -> None:
        assert status == step.status, f"line {step.line}: {step.text}: ended with {status}\n{output}"
        shown = _without_varying("\n".join(step.shown))
        printed = _without_varying(output.replace(self.registry, SHOWN_REGISTRY))
        if "..." in shown:
            left_out = [line for line in shown if line != "..." and line not in printed]
            assert left_out == [], f"line {step.line}: {step.text}: printed\n{output}"
        elif shown:
            assert printed == shown, f"line {step.line}: {step.text}: printed\n{output}"


def _without_varying(text: str) -> list[str]:
    """The lines of an output, sorted: threads finish in any order."""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return sorted(line.rstrip() for line in text.splitlines() if line.strip())


@contextmanager
def open_sandbox(directory: Path, images: Path, trust: Trust) -> Iterator[Sandbox]:
    """A sandbox in `directory`, whose registry holds the images of the layout `images`; the project is still to be made."""
    (directory / "project").mkdir()
    (directory / "home").mkdir()
    programs = directory / "bin"
    programs.mkdir()
    (programs / "ocibuild").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ocibuild "$@"\n')
    (programs / "ocibuild").chmod(0o755)
    shutil.copytree(images, directory / "registry")
    with _registry(directory) as registry, internet(trust, registry) as web:
        variables = {
            **environment(directory / "home"),
            **web.environment,
            "PATH": f"{programs}:{SEARCH_PATH}",
            "CR_PAT": "ghp_0123456789abcdef",
            "COLUMNS": "100",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "user.name",
            "GIT_CONFIG_VALUE_0": "The Octocat",
            "GIT_CONFIG_KEY_1": "user.email",
            "GIT_CONFIG_VALUE_1": "octocat@github.com",
        }
        yield Sandbox(directory / "project", registry, variables)


@contextmanager
def _registry(directory: Path) -> Iterator[str]:
    """HOST:PORT of `ocibuild serve` on a free port. It answers for other hosts too, as only --allow-remote lets it."""
    words = command("serve", "--port", "0", "--allow-remote", directory / "registry")
    with (directory / "registry.log").open("w") as log:
        server = subprocess.Popen(
            words, cwd=ROOT, env=environment(directory), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )  # fmt: skip
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip().removeprefix("http://")
    finally:
        server.terminate()
        server.communicate(timeout=30)


def git_project(place: Path, files: dict[str, str]) -> None:
    """`files` as a git repository with a remote and the tag v1.2.3."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    identity = ("-c", "user.name=The Octocat", "-c", "user.email=octocat@github.com", "-c", "commit.gpgsign=false")
    env = {**os.environ, "HOME": str(place), "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
    for words in (
        ("init", "-q", "-b", "main"),
        ("remote", "add", "origin", "https://github.com/octocat/hello"),
        ("add", "-A"),
        (*identity, "commit", "-q", "--date=2026-01-02T03:04:05Z", "-m", "hello"),
        (*identity, "tag", "v1.2.3"),
        ("update-ref", "refs/remotes/origin/main", "HEAD"),
    ):
        subprocess.run([require("git"), *words], cwd=place, env=env, check=True, capture_output=True)
