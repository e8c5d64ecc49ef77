"""A tree that is edited again and again: whatever a build takes over from the last one, it gives what a build from nothing gives."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.layers import segments
from tests.recipes.support import Desk

GENERATIONS = 25
SPEC = "layers:\n  - {name: app, compression: %s, owner: %s, files: [{copy: tree, to: %s}]}\n"


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some KiB, so that a tree of a few files has dozens of them."""
    for name, size in {"SEGMENT_SIZE": 8192, "_LEAST": 4096, "_MOST": 16384, "_CUT_DISTANCE": 4096}.items():
        monkeypatch.setattr(segments, name, size)


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets builds take place so many hours from now: files that were just written are old then."""
    now = time.time_ns

    def go(hours: float) -> None:
        monkeypatch.setattr("time.time_ns", lambda: now() + int(hours * 3600 * 10**9))

    return go


class Tree:
    """A tree, and edits of it at random."""

    def __init__(self, root: Path, dice: random.Random) -> None:
        self._root, self._dice = root, dice
        root.mkdir()
        for _ in range(60):
            self.add()

    def edit(self) -> None:
        """One to four edits."""
        kinds = [
            self.add,
            self.add,
            self.rewrite,
            self.rewrite_unseen,
            self.rename,
            self.remove,
            self.link,
            self.mode,
            self.swap,
        ]
        for _ in range(self._dice.randint(1, 4)):
            self._dice.choice(kinds)()

    def add(self) -> None:
        path = self._root / self._dice.choice(["", "a", "a-", "b/c", "d.e"]) / f"f{self._dice.randrange(10**6)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._dice.randbytes(self._dice.choice([0, 10, 1000, 9000, 40000])))

    def rewrite(self) -> None:
        self._any().write_bytes(self._dice.randbytes(self._dice.choice([0, 700, 30000])))

    def rewrite_unseen(self) -> None:
        """Another content of the same size, at the same mtime."""
        path = self._any()
        facts = path.stat()
        path.write_bytes(self._dice.randbytes(facts.st_size))
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    def rename(self) -> None:
        self._any().rename(self._root / f"m{self._dice.randrange(10**6)}")

    def remove(self) -> None:
        self._any().unlink()

    def link(self) -> None:
        name = self._root / f"l{self._dice.randrange(10**6)}"
        self._dice.choice([name.hardlink_to, name.symlink_to])(self._any())

    def mode(self) -> None:
        self._any().chmod(self._dice.choice([0o644, 0o755]))

    def swap(self) -> None:
        first, second = self._any(), self._any()
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)

    def _any(self) -> Path:
        files = sorted(path for path in self._root.rglob("*") if path.is_file() and not path.is_symlink())
        return self._dice.choice(files)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("seed", range(3))
def test_every_generation_is_that_of_a_build_from_nothing(
    desk: Desk, hours: Callable[[float], None], seed: int, compression: str
) -> None:
    dice = random.Random(seed)
    tree = Tree(desk.directory / "tree", dice)
    reuse = api.Reuse(desk.directory / "cache")
    for generation in range(GENERATIONS):
        hours(dice.choice([0, 1]))
        spec = SPEC % (compression, dice.choice(["0:0", "0:0", "1:1"]), dice.choice(["/app", "/app", "/srv"]))
        with_cache, without = (
            desk.build(spec, reuse=reuse, jobs=dice.choice([1, 3]))[0],
            desk.build(spec, to="anew")[0],
        )
        assert with_cache.descriptor == without.descriptor, f"generation {generation}"
        tree.edit()
