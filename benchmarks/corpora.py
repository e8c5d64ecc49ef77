"""What is packed: trees as package managers leave them, and files and trees that are made to measure.

All lie below one directory, in which specs can stand (their sources come from there and below), and are made once.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.corpora.cache import CACHE, made_once
from tests.corpora.packages import javascript_packages
from tests.peers.programs import call

CONTEXT = CACHE.parent  # of the specs
SITE_PACKAGES = ("numpy", "scipy", "pandas", "django", "scikit-learn", "matplotlib", "sympy", "statsmodels")
_PIECE = 64 << 10
_INSTALL_WITHIN = 900.0


@dataclass(frozen=True, slots=True)
class Corpus:
    """A directory, with the number of its files and their bytes."""

    name: str
    path: Path
    files: int
    bytes: int

    @property
    def source(self) -> str:
        """The path as specs have it."""
        return str(self.path.relative_to(CONTEXT))


def site_packages() -> Corpus:
    """About 600 MB in 22,000 files: shared objects, sources, bytecode."""
    return _corpus("site-packages", made_once("site-packages", f"{sys.version_info[:2]} {SITE_PACKAGES}", _install))


def javascript() -> Corpus:
    """About 290 MB in 57,000 files, most of them very small."""
    return _corpus("JavaScript tree", javascript_packages())


def large_file(size: int) -> Corpus:
    """One file of `size` bytes, no two of its windows alike, of which half compresses like text and half not at all."""
    return _corpus(f"file of {size >> 20} MiB", made_once(f"file-{size}", "1", partial(_make_large_file, size)))


def small_files(count: int) -> Corpus:
    """`count` files of 2 KiB of text, a hundred in each directory."""
    return _corpus(f"{count} files", made_once(f"files-{count}", "1", partial(_make_small_files, count)))


def warm(tree: Path) -> None:
    """Read all of it, so that nobody pays for the disk."""
    for directory, _, names in os.walk(tree):
        for name in names:
            with open(os.path.join(directory, name), "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def copy_of(corpus: Corpus, directory: Path) -> Path:
    """A copy that may be changed, with the times of the original."""
    return Path(shutil.copytree(corpus.path, directory, symlinks=True))


def file_in_the_middle(tree: Path) -> Path:
    """The source file that is half-way through the tree in order of paths."""
    sources = sorted(path for path in tree.rglob("*.py") if path.stat().st_size > 10_000)
    return sources[len(sources) // 2]


def _corpus(name: str, path: Path) -> Corpus:
    files = size = 0
    for directory, _, names in os.walk(path):
        files += len(names)
        size += sum(os.lstat(os.path.join(directory, each)).st_size for each in names)
    return Corpus(name, path, files, size)


def _install(directory: Path) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--target", directory)
    call(sys.executable, "-m", "pip", "install", *options, *SITE_PACKAGES, timeout=_INSTALL_WITHIN)


def _text(size: int, draw: random.Random) -> bytes:
    words = [draw.randbytes(draw.randint(1, 5)).hex() for _ in range(4000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return " ".join(draw.choices(words, weights, k=size // 4)).encode()[:size]


def _make_large_file(size: int, directory: Path) -> None:
    draw = random.Random(size)
    text = _text(4 << 20, draw)
    with (directory / "file").open("wb") as file:
        for start in range(0, size, _PIECE):
            length = min(_PIECE, size - start)
            where = draw.randrange(len(text) - _PIECE)
            file.write(draw.randbytes(length // 2) + text[where : where + length - length // 2])


def _make_small_files(count: int, directory: Path) -> None:
    draw = random.Random(count)
    text = _text(1 << 20, draw)
    for number in range(count):
        folder = directory / f"{number // 100:04}"
        folder.mkdir(exist_ok=True)
        where = draw.randrange(len(text) - 2048)
        (folder / f"{number:06}.txt").write_bytes(text[where : where + 2048])
