"""The sandbox of a page, and the images that its registry holds from the beginning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import succeed
from tests.docs.internet import Trust, make_trust
from tests.docs.sandbox import Sandbox, open_sandbox

# Stand-ins for images that pages build on. They hold a file each, and what the real ones set in their configs.
BASES = (
    "docker.io/library/debian:12-slim",
    "docker.io/library/nginx:stable",
    "docker.io/library/python:3.12-slim",
    "docker.io/library/python:3.13-slim",
    "docker.io/library/node:22-slim",
    "docker.io/library/eclipse-temurin:21-jre",
    "public.ecr.aws/lambda/python:3.13",
    "ghcr.io/octocat/base:1",
)
_BASE = """\
apiVersion: ocibuild/v1
image: {repository}
tags: ["{tag}"]
platforms: [linux/amd64, linux/arm64]
metadata: {{title: "{repository}", source: https://github.com/octocat/hello, licenses: MIT}}
config: {{env: {{PATH: "/usr/local/bin:/usr/bin:/bin"}}, cmd: [/bin/sh]}}
layers:
  - name: system
    files:
      - {{text: "{repository}:{tag}\\n", to: /etc/image}}
      - {{text: "#!/bin/sh\\n", to: /bin/sh, mode: "0755"}}
"""


@pytest.fixture(scope="session")
def base_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with BASES. Not to be written to."""
    place = tmp_path_factory.mktemp("bases")
    documents = (
        _BASE.format(repository=repository, tag=tag) for repository, _, tag in (n.rpartition(":") for n in BASES)
    )
    (place / "bases.yaml").write_text("---\n".join(documents))
    succeed("build", "-q", "-f", "bases.yaml", "-o", "oci:layout", cwd=place)
    return place / "layout"


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """What makes a registry here pass for ghcr.io and others."""
    return make_trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def sandbox(tmp_path: Path, base_images: Path, trust: Trust) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path, base_images, trust) as sandbox:
        yield sandbox
