"""Layers upon layers: the tree that a runtime would show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ocibuild.errors import IntegrityError
from ocibuild.oci.digest import sha256
from ocibuild.oci.layer_limits import LIMITS, Limits
from ocibuild.tree.entry import shown
from ocibuild.tree.layer import read_layer
from ocibuild.tree.merged import Tree
from tests.diff.layers import Member, directory, file, hardlink, listing, symlink, tar, tree
from tests.oracles.trees import KINDS
from tests.peers.clients import umoci
from tests.recipes.support import Desk

F, D = "-rw-r--r--", "drwxr-xr-x"

CASES: dict[str, tuple[list[list[Member]], dict[str, str]]] = {
    "directories that are not said are made": ([[file("a/b/c")]], {"/a": D, "/a/b": D, "/a/b/c": F}),
    "a later file replaces an earlier one": ([[file("a")], [file("a", mode=0o600)]], {"/a": "-rw-------"}),
    "a directory over a directory keeps what is in it": (
        [[file("d/a")], [directory("d", 0o700), file("d/b")]],
        {"/d": "drwx------", "/d/a": F, "/d/b": F},
    ),
    "a file over a directory takes what is in it away": ([[file("d/a")], [file("d")]], {"/d": F}),
    "a directory over a file": ([[file("d")], [directory("d"), file("d/a")]], {"/d": D, "/d/a": F}),
    "a whiteout removes": ([[file("d/a"), file("d/b")], [file("d/.wh.a")]], {"/d": D, "/d/b": F}),
    "a whiteout removes a directory": ([[file("d/a"), file("e")], [file(".wh.d")]], {"/e": F}),
    "a whiteout of nothing": ([[file("a")], [file("x/y/.wh.z")]], {"/a": F}),
    "a whiteout spares its own layer, whatever comes first": (
        [[file("d/a"), file("d/b")], [file("d/c"), file(".wh.d")]],
        {"/d": D, "/d/c": F},
    ),
    "an opaque directory hides what is below": (
        [[file("d/a"), file("d/e/b")], [file("d/c"), file("d/.wh..wh..opq")]],
        {"/d": D, "/d/c": F},
    ),
    "an opaque root": ([[file("a")], [file(".wh..wh..opq"), file("b")]], {"/b": F}),
    "a path through a symbolic link": (
        [[directory("usr/lib"), symlink("lib", "usr/lib")], [file("lib/a")]],
        {"/lib": "lrwxrwxrwx usr/lib", "/usr": D, "/usr/lib": D, "/usr/lib/a": F},
    ),
    "a path through an absolute one, and up": (
        [[directory("x/y"), symlink("x/up", ".."), symlink("l", "/x/y/")], [file("l/a"), file("x/up/b")]],
        {"/b": F, "/l": "lrwxrwxrwx /x/y/", "/x": D, "/x/up": "lrwxrwxrwx ..", "/x/y": D, "/x/y/a": F},
    ),
    "up from the root is the root": (
        [[symlink("l", "../../x"), file("l/a")]],
        {"/l": "lrwxrwxrwx ../../x", "/x": D, "/x/a": F},
    ),
    "a whiteout through a symbolic link": (
        [[file("usr/lib/a"), symlink("lib", "usr/lib")], [file("lib/.wh.a")]],
        {"/lib": "lrwxrwxrwx usr/lib", "/usr": D, "/usr/lib": D},
    ),
    "a whiteout of a symbolic link leaves its target": (
        [[file("usr/lib/a"), symlink("lib", "usr/lib")], [file(".wh.lib")]],
        {"/usr": D, "/usr/lib": D, "/usr/lib/a": F},
    ),
    "a hard link has the attributes of its target": (
        [[file("a", mode=0o4755)], [hardlink("b", "a")]],
        {"/a": "-rwsr-xr-x", "/b": "-rwsr-xr-x"},
    ),
    "what replaces one name leaves the other": (
        [[file("a", mode=0o600), hardlink("b", "a")], [file("a")]],
        {"/a": F, "/b": "-rw-------"},
    ),
}


@pytest.mark.parametrize(("layers", "expected"), CASES.values(), ids=CASES)
def test_layers_add_up(layers: list[list[Member]], expected: dict[str, str]) -> None:
    assert listing(tree(*layers)) == expected


def test_each_path_knows_the_layer_that_put_it() -> None:
    made = tree([file("d/a"), file("d/b")], [file("d/b", "new")], [directory("d")])
    assert {path: node.layer for path, node in made.walk()} == {b"": 0, b"d": 2, b"d/a": 0, b"d/b": 1}


LOOP = [symlink("a", "b"), symlink("b", "a")]


@pytest.mark.parametrize(
    ("layers", "limits", "message"),
    [
        ([[*LOOP, file("a/x")]], LIMITS, "too many symbolic links"),
        ([[*LOOP], [file("a/.wh.x")]], LIMITS, "too many symbolic links"),
        ([[file("a"), file("a/b")]], LIMITS, "puts something into b'a', which is no directory"),
        ([[hardlink("a", "b")]], LIMITS, "hard link to b'b', which is no file"),
        ([[directory("b"), hardlink("a", "b")]], LIMITS, "hard link to b'b', which is no file"),
        ([[file("a"), hardlink("c", "a/b")]], LIMITS, "hard link to b'a/b', which is no file"),
        ([[symlink(".", "a")]], LIMITS, "makes the root of the image a symlink"),
        ([[file("a/b/c/d")]], replace(LIMITS, entries=3), "more entries"),
        ([[file("a" * 50 + "/b"), file("a" * 50 + "/c")]], replace(LIMITS, names=120), "longer names"),
        ([[symlink("s", "d" * 3000), file("s/" + "e" * 2000)]], LIMITS, "longer names"),
    ],
)
def test_what_no_runtime_could_apply_is_refused(layers: list[list[Member]], limits: Limits, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        tree(*layers, limits=limits)


def test_long_ways_for_many_entries_come_to_an_end() -> None:
    hop = symlink("s", "./" * 2000 + "d")
    with pytest.raises(IntegrityError, match="too many symbolic links"):
        tree([directory("d"), hop], [file(f"s/{number}") for number in range(20)], limits=replace(LIMITS, entries=100))


@pytest.mark.peer("umoci")
def test_the_tree_is_what_umoci_unpacks(desk: Desk, tmp_path: Path) -> None:
    low = tar(
        file("d/a"), file("d/e/b"), file("k"), hardlink("k2", "k"), symlink("s", "d/e"), file("o/z"), file("f/g/h")
    )
    top = tar(
        file("s/c"), file("d/.wh.a"), directory("k", 0o700), file("k/x"), file("o/.wh..wh..opq"), file("o/y"),
        file("f/g"), file(".wh.gone"), hardlink("k3", "k2"),
    )  # fmt: skip
    (tmp_path / "low.tar").write_bytes(low)
    (tmp_path / "top.tar").write_bytes(top)
    desk.build("tags: [v1]\nimage: a.example/b\nlayers: [{name: low, archive: low.tar}, {name: top, archive: top.tar}]")
    umoci("unpack", "--image", f"{tmp_path / 'layout'}:v1", tmp_path / "bundle")
    root = tmp_path / "bundle/rootfs"
    unpacked = {
        f"/{path.relative_to(root)}": (KINDS[path.lstat().st_mode & 0o170000], path.lstat().st_mode & 0o777)
        for path in root.rglob("*")
    }
    made = Tree()
    for number, raw in enumerate((low, top)):
        made.apply(read_layer([raw], len(raw), sha256(raw), subject="layer").changes, number)
    ours = {shown(path): (node.entry.kind.value, node.entry.mode) for path, node in made.walk() if path}
    assert ours == unpacked
