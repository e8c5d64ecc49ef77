"""Layers may be larger than memory: only a few segments of one are ever held."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.measured import peak_memory
from tests.oracles.layouts import read_layout

GIB = 1 << 30
LIMIT = 150.0  # MB
RANDOM = 256 << 20
SPEC = """\
apiVersion: ocibuild/v1
compression: zstd
layers: [{files: [{copy: big, to: /big}]}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A spec and a file of 4 GiB, of which a quarter of a GiB cannot be compressed and the rest is a hole."""
    big = tmp_path / "big"
    with big.open("wb") as file:
        for _ in range(RANDOM >> 24):
            file.write(os.urandom(1 << 24))
        file.truncate(4 * GIB)
    (tmp_path / "ocibuild.yaml").write_text(SPEC)
    yield tmp_path
    big.unlink()


@pytest.mark.corpus
def test_a_layer_of_four_gibibytes_takes_little_memory(project: Path) -> None:
    assert peak_memory("build", "-q", "-o", "oci:layout", cwd=project) < LIMIT
    (blob,) = (path for path in (project / "layout/blobs/sha256").iterdir() if path.stat().st_size > 1_000_000)
    assert blob.stat().st_size > RANDOM


def test_many_large_layers_at_once_take_little_memory(tmp_path: Path) -> None:
    """They share the memory that one of them has."""
    for number in range(8):
        (tmp_path / f"{number}").write_bytes(os.urandom(1 << 24) + bytes(1 << 25))
    layers = "".join(f"  - {{name: l{n}, files: [{{copy: '{n}', to: /{n}}}]}}\n" for n in range(8))
    (tmp_path / "ocibuild.yaml").write_text(f"apiVersion: ocibuild/v1\ncompression: zstd\nlayers:\n{layers}")
    assert peak_memory("build", "-q", "-j", "8", "-o", "oci:layout", cwd=tmp_path) < LIMIT
    (image,) = read_layout(tmp_path / "layout")
    assert len(image.layers) == 8
