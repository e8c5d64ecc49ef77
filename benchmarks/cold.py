"""Whole trees, packed by everybody with nothing to go by; and the floor under it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import corpora, peers
from benchmarks.builds import GZIP_1, ZSTD_3, Compression, build, cold_build, corpus_spec, write_spec
from benchmarks.corpora import Corpus
from benchmarks.goals import Goal, size, wall
from benchmarks.measuring import OWN_SECONDS, Command, Contender, before_each
from benchmarks.scenario import Setting

FLOOR = Path(__file__).with_name("floor.py")
GZIP_PEERS = ("umoci insert", "buildah", "tar | gzip", "tar | pigz")


def cold(corpus: Callable[[], Corpus], setting: Setting) -> list[Contender]:
    """Everybody packs the whole tree, with nothing to go by."""
    tree = corpus()
    floor = _Floor(tree, setting)
    slow = 0 if setting.quick else 1
    contenders = [
        cold_build("ocibuild gzip", corpus_spec(tree)),
        *peers.umoci(tree),
        cold_build("ocibuild gzip 1", corpus_spec(tree, GZIP_1)),
        *([] if setting.quick else peers.tar_through(tree, "pigz")),
        cold_build("ocibuild zstd 3", corpus_spec(tree, ZSTD_3)),
        *peers.tar_through(tree, "zstd", "-3", "-T0", "--quiet"),
        *peers.tar_through(tree, "gzip", rounds=slow),
        *peers.tar_through(tree, "gzip", "-1", rounds=max(slow, 1)),
        *peers.buildah(tree, rounds=slow),
    ]
    floors = [floor.contender("gzip", floor.default_level), floor.contender("gzip", 1), floor.contender("zstd", 3)]
    return [*before_each(contenders, lambda: corpora.warm(tree.path)), *floors]


def cold_goals(limit: float) -> list[Goal]:
    """Of a tree for which the default level has to take at most `limit` times as long as the fastest peer."""
    return [
        wall("ocibuild gzip", GZIP_PEERS, limit),
        size("ocibuild gzip", "umoci insert"),
        wall("ocibuild gzip 1", GZIP_PEERS, 0.5),
        size("ocibuild gzip 1", "tar | gzip -1"),
        wall("ocibuild zstd 3", ("umoci insert",), 0.42),
        wall("ocibuild zstd 3", ("tar | zstd -3 -T0 --quiet",), 1.3),
        wall("ocibuild gzip", ("floor gzip",), 1.35),
    ]


def levels(corpus: Callable[[], Corpus], setting: Setting) -> list[Contender]:
    """Size against time: what the default level is chosen by."""
    tree = corpus()
    gzip, zstd = ((1, 4, 6), (3,)) if setting.quick else (range(1, 10), (1, 3, 6, 9))
    chosen = [("gzip", level) for level in gzip] + [("zstd", level) for level in zstd]

    def contender(kind: str, level: int) -> Contender:
        compression: Compression = {"type": kind, "level": level}
        return cold_build(f"ocibuild {kind} {level}", corpus_spec(tree, compression))

    contenders = [*peers.umoci(tree), *(contender(kind, level) for kind, level in chosen)]
    return before_each(contenders, lambda: corpora.warm(tree.path))


class _Floor:
    """The work that nobody can do without, on the tar stream of a corpus."""

    def __init__(self, tree: Corpus, setting: Setting) -> None:
        layout = build(corpus_spec(tree, {"type": "none"}), setting.directory("plain"))
        self._tar = max((layout / "blobs" / "sha256").iterdir(), key=lambda blob: blob.stat().st_size)
        self.default_level = _default_level(setting)

    def contender(self, kind: str, level: int) -> Contender:
        """The floor of one compressor, by its own clock: reading the stream is no part of it."""

        def command(directory: Path) -> Command:
            return (sys.executable, FLOOR, kind, str(level), self._tar, directory / OWN_SECONDS)

        is_default = kind == "gzip" and level == self.default_level
        name = f"floor {kind}" if is_default else f"floor {kind} {level}"
        return Contender(name, command, has_own_clock=True)


def _default_level(setting: Setting) -> int:
    """The level that ocibuild takes for gzip where a spec names none, as its metadata tells."""
    directory = setting.directory("level")
    spec = write_spec("level", [{"name": "app", "files": [{"text": "", "to": "/file"}]}])
    build(spec, directory, "--metadata-file", str(directory / "metadata"))
    told = json.loads((directory / "metadata").read_text())["ocibuild.compressors"]
    found = re.search(r"level (\d+)", str(told))
    assert found, told
    return int(found[1])
