"""`exclude` leaves out what git would ignore: git itself is the judge."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocibuild.errors import SourceError
from ocibuild.layers.patterns import selection
from ocibuild.plan import Copy, Extract, Item
from tests.layers.building import build_items, make_tar, write_tree

NAMES = ["a", "b.txt", "c.log", "x y", ".dot"]
PIECES = st.sampled_from(
    [
        "a",
        "b.txt",
        "c.log",
        "*.txt",
        "*",
        "?",
        "**",
        "[ab]",
        "[!a]*",
        ".dot",
        "x y",
        "a*",
        "[a-c].*",
        "\\*",
        "[]a]",
        "[[:alpha:]]",
        "[z-a]",
        "[+--]*",
        "[--b]*",
        "[a-b-c]*",
        "*a*b*",
        "*.*.*",
        "[",
        "b\\",
        "a ",
        "\\!a",
        "#",
    ]
)
PATTERNS = st.builds(
    lambda negated, anchored, parts, slash: "!" * negated + "/" * anchored + "/".join(parts) + "/" * slash,
    st.booleans(),
    st.booleans(),
    st.lists(PIECES, min_size=1, max_size=3),
    st.booleans(),
)
FILES = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), min_size=1, max_size=10)


def tree(paths: list[list[str]]) -> set[str]:
    """Files of which none is below another."""
    files: set[str] = set()
    for path in paths:
        name = "/".join(path)
        if not any(name.startswith(f"{other}/") or other.startswith(f"{name}/") for other in files):
            files.add(name)
    return files


def not_ignored(root: Path, patterns: list[str]) -> list[str]:
    (root / ".git/info/exclude").write_text("\n".join(patterns) + "\n")
    command = ("git", "-C", root, "ls-files", "-z", "--others", "--exclude-standard")
    listed = subprocess.run(command, capture_output=True, check=True, env={"HOME": str(root), "PATH": "/usr/bin:/bin"})
    return sorted(listed.stdout.decode().split("\0")[:-1])


def files_of(names: list[str]) -> list[str]:
    return sorted(name for name in names if not name.endswith("/"))


@pytest.mark.peer("git")
@settings(max_examples=60)
@given(FILES, st.lists(PATTERNS, min_size=1, max_size=4))
@example([["a", "b.txt"], ["a", "a"]], ["a/", "!a/a"])
@example([["a", "b.txt"], ["b.txt"]], ["/*", "!/a"])
@example([["a", "a"]], ["/**", "!/a"])
@example([["a"], ["z"]], ["[/a/[z-a]"])
@example([["a"], ["z"]], ["[z-a]"])
@example([["a", "a", "b.txt"], ["a", "c.log"]], ["*", "!*/", "!*.txt"])
def test_exclude_is_gitignore(paths: list[list[str]], patterns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        subprocess.run(("git", "init", "-q", root), check=True)
        write_tree(root, dict.fromkeys(tree(paths), ""))
        expected = not_ignored(root, patterns)
        copied = build_items(root, Copy(".", "/", exclude=(*patterns, "/.git")))
        assert files_of(copied.names) == expected


def names_of(root: Path, item: Item) -> list[str]:
    try:
        return sorted({"x/", *build_items(root, item).names})
    except SourceError:  # nothing matches; an archive of which nothing is left is refused, an empty directory is not
        return ["x/"]


@settings(max_examples=60)
@given(FILES, st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3))
def test_extract_takes_what_copy_takes(paths: list[list[str]], include: list[str], exclude: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = write_tree(Path(directory) / "tree", dict.fromkeys(tree(paths), "x"))
        found = sorted(path.relative_to(root).as_posix() + "/" * path.is_dir() for path in root.rglob("*"))
        make_tar(root.parent / "a.tar", [(name, b"" if name.endswith("/") else b"x") for name in found])
        wanted = tuple(include), tuple(exclude)
        items: list[Item] = [Copy("tree", "/x", *wanted), Extract("a.tar", "/x", *wanted)]
        copied, extracted = (names_of(root.parent, item) for item in items)
        assert copied == extracted


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 20 + "*b", "a" * 250),
        ("**/a/" * 15 + "b", "a/" * 2000 + "a"),
        ("**/*a*a*a*/" * 6 + "b", "aaaaa/" * 600 + "c"),
        ("[a-z]*" * 15 + "1", "x" * 250),
    ],
    ids=["stars", "directories", "both", "sets"],
)
def test_many_stars_take_no_longer_than_one(pattern: str, path: str) -> None:
    wanted, began = selection([pattern], ()), time.process_time()
    assert not wanted.standing(path.encode(), wanted.start, is_directory=False).is_taken
    assert time.process_time() - began < 1
