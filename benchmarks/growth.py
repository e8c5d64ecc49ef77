"""Twice and four times as much: does it take twice and four times as long?"""

from __future__ import annotations

from pathlib import Path

from benchmarks import corpora
from benchmarks.builds import cold_build, corpus_spec, layer, write_spec
from benchmarks.measuring import Contender

MIB = 1 << 20
PLATFORMS = (
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/386",
    "linux/ppc64le",
    "linux/s390x",
    "linux/riscv64",
)


def more_files() -> list[Contender]:
    """The same files, twice and four times as many."""
    return [
        cold_build(f"ocibuild, {count} files", corpus_spec(corpora.small_files(count)))
        for count in (10_000, 20_000, 40_000)
    ]


def more_bytes() -> list[Contender]:
    """A file, one of twice and one of four times its size."""
    sizes = (128, 256, 512)
    return [cold_build(f"ocibuild, {size} MiB", corpus_spec(corpora.large_file(size * MIB))) for size in sizes]


def more_layers() -> list[Contender]:
    """Layers of a hundred small files each."""
    source = corpora.small_files(10_000).source

    def spec(count: int) -> Path:
        layers = [layer(f"{source}/{number:04}", f"l{number}") for number in range(count)]
        return write_spec(f"layers-{count}", layers)

    return [cold_build(f"ocibuild, {count} layers", spec(count)) for count in (24, 48, 96)]


def more_platforms() -> list[Contender]:
    """Platforms that share a large layer and have a small one each."""
    shared = layer(corpora.small_files(20_000).source, "shared")
    own = {"name": "own", "files": [{"text": "{{ platform.arch }}\n", "to": "/etc/platform"}]}

    def spec(count: int) -> Path:
        return write_spec(f"platforms-{count}", [shared, own], platforms=PLATFORMS[:count])

    return [cold_build(f"ocibuild, {count} platforms", spec(count)) for count in (1, 2, 8)]
