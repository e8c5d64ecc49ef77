"""Whatever GitHub's page on its registry does with docker stands in docs/coming-from-docker.md, with a command that is run."""

from __future__ import annotations

import re

import pytest

from tests.cli.program import ROOT
from tests.docs.markdown import Command, steps

PAGE = (ROOT / "docs/coming-from-docker.md").read_text("utf-8")
# What is done on that page, and what covers it here: both words stand in one row of a table.
CAPABILITIES = (
    ("docker login ghcr.io -u USERNAME --password-stdin", "ocibuild login ghcr.io"),
    ("GITHUB_TOKEN", "packages: write"),
    ("docker push ghcr.io/NAMESPACE/IMAGE_NAME:latest", "ocibuild push"),
    ("docker push ghcr.io/NAMESPACE/IMAGE_NAME:2.5", "ocibuild push ghcr.io/octocat/hello:2.5"),
    ("docker inspect ghcr.io/NAMESPACE/IMAGE_NAME", "ocibuild digest"),
    ("docker rmi ghcr.io/NAMESPACE/IMAGE_NAME:latest", "ocibuild delete"),
    ("docker pull ghcr.io/NAMESPACE/IMAGE_NAME@sha256:", "ocibuild pull ghcr.io/octocat/hello@"),
    ("docker pull ghcr.io/NAMESPACE/IMAGE_NAME:1.14.1", "ocibuild pull ghcr.io/octocat/hello:2.5"),
    ("docker pull ghcr.io/NAMESPACE/IMAGE_NAME`", "ocibuild pull ghcr.io/octocat/hello`"),
    ("docker build -t hello_docker .", "ocibuild build"),
    ("docker images", "ocibuild ls"),
    ("docker tag 38f737a91f39 ghcr.io/NAMESPACE/NEW_IMAGE_NAME:latest", "ocibuild tag"),
    ("docker build --label", "ocibuild build --label"),
    ("LABEL org.opencontainers.image.source", "metadata"),
    ("annotation-index.org.opencontainers.image.description", "ocibuild build --annotation"),
    ("platforms: linux/amd64,linux/arm64", "--platform"),
    ("context`, `file`", "-f FILE"),
    ("push: true", "--push"),
    ("matrix.platforms", "index create"),
    ("manifest version 2, schema 2", "format: docker"),
    ("as an OCI layout", "oci-archive:"),
    ("foreign layers of a Windows base", "foreign"),
    ("pinned by SHA", "ocibuild/ocibuild@"),
)
IN_PROSE = ("10 GB a layer", "10 minutes an upload", "512 characters", "SPDX", "not linked", "Codespaces", "is private")


@pytest.mark.parametrize(("there", "here"), CAPABILITIES, ids=lambda text: text[:40])
def test_a_capability_is_covered(there: str, here: str) -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("|") and there in row]
    assert [row for row in rows if here in row.partition(there)[2] or here in row.partition(there)[0]], there


@pytest.mark.parametrize("words", IN_PROSE)
def test_a_fact_is_told(words: str) -> None:
    assert words in re.sub(r"\s+", " ", PAGE)


def test_nearly_all_of_its_commands_are_run() -> None:
    commands = [step for step in steps(PAGE) if isinstance(step, Command)]
    assert len(commands) >= 35
    assert [step.text for step in commands if step.needs] == ["ocibuild serve"]
