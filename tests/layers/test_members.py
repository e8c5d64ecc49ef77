"""A layer that is one copied tree takes a shorter way, to the same members."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.errors import SourceError
from ocibuild.layers.arrange import arrange
from ocibuild.layers.members import layer_members
from ocibuild.layers.sources import directory_entry, layer_entries
from ocibuild.layers.survey import survey_layer
from ocibuild.layers.tar import Member, member
from ocibuild.oci.tar_format import FILE, HARDLINK
from ocibuild.plan import KEEP, Attributes, Copy, Directory, FilesLayer, Symlink
from tests.layers.building import KEEP_ALL, files_layer, write_tree

# Names around the slash in the order of bytes, so that a directory's content is not what follows it in a listing.
NAMES = st.sampled_from(["a", "a-", "a.b", "a0", "b", "a b", "ä", "\udcff", "long" * 30])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
TARGETS = st.sampled_from(["/", "/a", "/a/", "/srv//www/a/"])
SOURCES = st.sampled_from([".", "tree", "link"])


SECONDS = [1_700_000_000, 5, -5, 2**33 + 1]
ATTRIBUTES = [
    Attributes(), KEEP_ALL, Attributes(owner=(5, 6), file_mode=0o4750, mtime=7), Attributes(owner=(3_000_000, 6)),
    Attributes(xattrs=(("user.a", b"x"),)), Attributes(mtime=KEEP), Attributes(file_mode=KEEP),
]  # fmt: skip


def make(root: Path, files: list[str], links: list[tuple[int, str]]) -> None:
    """Files at those of `files` that can be, no two of them alike, with further names for some of them."""
    made: list[Path] = []
    for name in files:
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(name))
        except OSError:  # another is where a directory would have to be, or the other way round
            continue
        os.utime(path, ns=(0, SECONDS[len(made) % 4] * 10**9 + len(made)))
        path.chmod((0o644, 0o755, 0o4711)[len(made) % 3])
        made.append(path)
    for number, name in links:
        path = root / name
        if made and path.parent.is_dir() and not path.exists():
            os.link(made[number % len(made)], path)


def arranged(layer: FilesLayer) -> list[Member]:
    known = {entry.path: entry for entry in (directory_entry(item, layer) for item in layer.known_directories)}
    return [*map(member, arrange(layer_entries(layer, survey_layer(layer)), known, layer.created))]


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(PATHS, max_size=12),
    links=st.lists(st.tuples(st.integers(0, 11), PATHS), max_size=4),
    source=SOURCES,
    to=TARGETS,
    exclude=st.sampled_from([(), ("b",), ("a", "!a/b"), ("a/*", "!a/b")]),
    attributes=st.sampled_from(ATTRIBUTES),
    known=st.sampled_from([(), ("/srv",), ("/a", "/srv/www/a"), ("/srv/www/a/b", "/b")]),
)
def test_the_members_of_a_lone_tree_are_those_that_arranging_gives(
    files: list[str],
    links: list[tuple[int, str]],
    source: str,
    to: str,
    exclude: tuple[str, ...],
    attributes: Attributes,
    known: tuple[str, ...],
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        context = Path(directory)
        (context / "tree").mkdir()
        (context / "link").symlink_to("tree")
        make(context / "tree", files, [*links, (0, "../outside")])
        owned = tuple(Directory(path, Attributes(dir_mode=0o700)) for path in known)
        layer = files_layer(context, Copy(source, to, exclude=exclude, attributes=attributes), known_directories=owned)
        members = layer_members(layer, survey_layer(layer))
        assert list(members.each()) == arranged(layer)
        assert list(members.each()) == arranged(layer)  # and again
        assert members.size == sum(size for _, _, size, _ in members.each())


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_whatever_is_said_of_the_files_of_a_lone_tree(tmp_path: Path, attributes: Attributes) -> None:
    make(tmp_path, ["a", "b", "c/d", "c/e", "c/f", "g" * 120, "h" * 130], [(0, "i"), (3, "c/g")])
    layer = files_layer(tmp_path, Copy(".", "/srv", attributes=attributes))
    assert list(layer_members(layer, survey_layer(layer)).each()) == arranged(layer)


def test_what_two_items_bring_is_arranged(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tree/b": "x"})
    layer = files_layer(tmp_path, Copy("tree", "/app"), Symlink("b", "/app/a"))
    paths = [path for path, _, _, _ in layer_members(layer, survey_layer(layer)).each()]
    assert paths == [b"app", b"app/a", b"app/b"]


def test_hard_links_within_a_lone_tree(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tree/a": "x"})
    os.link(tmp_path / "tree/a", tmp_path / "tree/b")
    layer = files_layer(tmp_path, Copy("tree", "/"))
    (_, first, *_), (_, second, *_) = layer_members(layer, survey_layer(layer)).each()
    assert (first[156:157], second[156:157], second[157:159]) == (FILE, HARDLINK, b"a\0")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.with_name(".wh.z").touch()], ids=["fifo", "whiteout"])
def test_a_tree_that_no_image_can_hold_is_refused_before_anything_is_packed(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    write_tree(tmp_path, {"tree/a": "x"})
    make(tmp_path / "tree/z")
    layer = files_layer(tmp_path, Copy("tree", "/"))
    with pytest.raises(SourceError, match="cannot be"):
        layer_members(layer, survey_layer(layer))
