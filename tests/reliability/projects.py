"""A small project with a layer of each packing, one of which changes from build to build."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

SPEC = """\
apiVersion: ocibuild/v1
image: registry.example/team/app
tags: ["1", latest]
platforms: [linux/amd64, linux/arm64]
metadata: {description: Survives, licenses: MIT}
layers:
  - name: program
    files: [{copy: program, to: /srv}, {text: "{{ platform.arch }}", to: /etc/arch}]
  - {name: vendor, compression: zstd, files: [{extract: vendor.tar, to: /opt}]}
  - {name: plain, compression: none, files: [{copy: program/0, to: /plain}]}
"""


def write_project(directory: Path) -> Path:
    """The project in `directory`, which is made."""
    chance = random.Random("project")
    (directory / "program").mkdir(parents=True)
    (directory / "ocibuild.yaml").write_text(SPEC)
    for number in range(4):
        (directory / "program" / str(number)).write_bytes(chance.randbytes(400_000))
    with tarfile.open(directory / "vendor.tar", "w") as tar:
        member = tarfile.TarInfo("lib/one")
        member.size = 500_000
        tar.addfile(member, io.BytesIO(chance.randbytes(500_000)))
    return directory


def edit_project(directory: Path, seed: str) -> None:
    """Other content for one of its files."""
    chance = random.Random(seed)
    file = directory / "program" / str(chance.randrange(4))
    file.write_bytes(chance.randbytes(chance.randrange(1, 700_000)))
