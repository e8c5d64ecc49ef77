"""The examples, built once for the whole run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.program import ROOT, succeed
from tests.oracles.layouts import Image, read_layout

EXAMPLES = ROOT / "examples"
# Every example with a spec of its own, and those that these tests look at closely: they need nothing but their directory.
ALL = tuple(sorted(directory.name for directory in EXAMPLES.iterdir() if (directory / "ocibuild.yaml").is_file()))
NAMES = (
    "base-and-overlay", "docker-format", "hello-static", "multi-arch-binaries", "runner-per-platform", "static-site",
    "windows-foreign-layers",
)  # fmt: skip


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `examples/` in which each was built to its `.ocibuild/layout`, as its README says."""
    copy = tmp_path_factory.mktemp("examples") / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns(".ocibuild", "__pycache__"))
    for name in NAMES:
        if (copy / name / "base.yaml").is_file():
            succeed("build", "-q", "-f", "base.yaml", "-o", "oci:.ocibuild/base", cwd=copy / name)
        succeed("build", "-q", cwd=copy / name)
    return copy


@pytest.fixture(scope="session")
def images(examples: Path) -> Mapping[str, list[Image]]:
    """The images of each example by its name, each once: a layout lists an image under every tag."""
    return {name: _distinct(read_layout(examples / name / ".ocibuild/layout")) for name in NAMES}


def _distinct(images: list[Image]) -> list[Image]:
    return list({image.digest: image for image in images}.values())
