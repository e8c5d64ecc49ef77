"""Every command line of README and docs runs, and prints what is shown; or it says what it needs. Those of examples: tests/examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocibuild.cli.starter import starter_spec
from tests.cli.program import ROOT, succeed
from tests.docs.markdown import Command, blocks, steps
from tests.docs.pages import EXAMPLE_PAGES, PAGES
from tests.docs.sandbox import Sandbox, git_project
from tests.peers.programs import require

# What a command may need that no test gives it.
NEEDS = {"GitHub", "GitLab", "Docker", "podman", "an account", "a clone", "a release", "another program"}
# What the pages' project holds. A page that begins with `ocibuild init` finds a directory without a spec.
PROJECT = {
    ".gitignore": ".ocibuild/\n",
    "README.md": "# hello\n",
    "Dockerfile": 'FROM scratch\nLABEL org.opencontainers.image.source="https://github.com/octocat/hello"\n',
    "dist/amd64/hello": "#!/bin/sh\n",
    "dist/arm64/hello": "#!/bin/sh\n",
    "site/index.html": "<h1>hello</h1>\n",
    "sbom.spdx.json": '{"spdxVersion": "SPDX-2.3"}\n',
    ".github/workflows/release.yml": "on: push\njobs: {}\n",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_pages(sandbox: Sandbox, page: Path) -> None:
    text = page.read_text("utf-8")
    commands = [step.text for step in steps(text) if isinstance(step, Command)]
    if any(re.search(r"\bjq\b", command) for command in commands):
        require("jq")
    begins_empty = any(command.startswith("ocibuild init") for command in commands)
    git_project(sandbox.project, PROJECT if begins_empty else {**PROJECT, "ocibuild.yaml": starter_spec()})
    sandbox.follow(steps(text))


def test_the_first_image_has_the_digest_that_readers_see(tmp_path: Path) -> None:
    # Elsewhere digests are as they were when a page was written; this one is what a reader compares with.
    (tmp_path / "ocibuild.yaml").write_text(starter_spec())
    digest = succeed("build", "-q", cwd=tmp_path).digest
    for page in ("README.md", "docs/quickstart.md", "docs/terminal.svg"):
        shown = re.findall(r"octocat/hello@(sha256:[0-9a-f]{64})", (ROOT / page).read_text("utf-8"))
        assert digest in shown, f"{page}: {digest}"


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLE_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_not_run_says_why(page: Path) -> None:
    needed = {step.needs for step in steps(page.read_text("utf-8")) if isinstance(step, Command) and step.needs}
    assert needed <= NEEDS


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLE_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_no_command_and_no_spec_hides_from_these_tests(page: Path) -> None:
    if page.name in ("cli.md", "spec.md"):
        return  # made from what other tests look at: examples of commands, and the example of a spec
    for block in blocks(page.read_text("utf-8")):
        if block.language not in ("console", "sh", "indented", "row") and "file" not in block.marks:
            assert [line for line in block.lines if line.startswith(("$ ", "ocibuild "))] == [], f"line {block.line}"
            assert "apiVersion: ocibuild/v1" not in block.lines, f"line {block.line}: a spec that is no file"
