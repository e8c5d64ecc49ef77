"""One path holds one thing, parents come first, links after what they lead to, whiteouts before their siblings."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import SourceError
from ocibuild.layers.arrange import arrange
from ocibuild.layers.entries import Entry, Rank
from ocibuild.oci.tar_format import DIRECTORY, FILE, HARDLINK, SYMLINK
from ocibuild.plan import (
    KEEP,
    Attributes,
    Copy,
    Directory,
    Extract,
    Hardlink,
    Item,
    Remove,
    Replace,
    Symlink,
    Text,
)
from tests.layers.building import CREATED, at, build_items, make_tar, refused, tar_info, write_tree

OWNED = Attributes(owner=(9, 9), dir_mode=0o700)


def test_parents_are_made_for_whatever_is_deep(tmp_path: Path) -> None:
    items = Symlink("x", "/a/b/link"), Remove("/c/d/gone"), Hardlink("/e/f/file", "/g/h"), Text(b"", "/e/f/file")
    layer = build_items(tmp_path, *items)
    assert [name for name in layer.names if name.endswith("/")] == ["a/", "a/b/", "c/", "c/d/", "e/", "e/f/", "g/"]
    parent = layer["a/b"]
    assert (parent.mode, parent.uid, parent.gid, parent.mtime) == (0o755, 0, 0, CREATED)


def test_known_directories_are_repeated_where_they_are_needed(tmp_path: Path) -> None:
    write_tree(tmp_path, {"data/f": "", "data/sub/f": ""})
    known = {"known_directories": (Directory("/srv", OWNED), Directory("/srv/sub", OWNED), Directory("/unused", OWNED))}
    as_parents = build_items(tmp_path, Text(b"", "/srv/sub/f"), **known)
    assert [(m.name, m.mode, m.uid) for m in as_parents.members if m.isdir()] == [
        ("srv", 0o700, 9),
        ("srv/sub", 0o700, 9),
    ]
    copied = build_items(tmp_path, Copy("data", "/srv"), **known)
    assert [(m.mode, m.uid) for m in copied.members if m.isdir()] == [(0o700, 9), (0o700, 9)]
    declared = build_items(tmp_path, Copy("data", "/srv"), Directory("/srv"), **known)
    assert declared["srv"].mode == 0o755
    quarrel = Copy("data", "/srv"), Copy("data/sub", "/srv", attributes=Attributes(dir_mode=0o711), exclude=("*",))
    assert build_items(tmp_path, *quarrel, **known)["srv"].mode == 0o700


@pytest.mark.parametrize("order", [1, -1])
def test_a_declared_directory_decides_over_a_copied_one(tmp_path: Path, order: int) -> None:
    write_tree(tmp_path, {"d/f": ""})
    items: list[Item] = [Copy("d", "/srv"), Directory("/srv", OWNED)]
    assert build_items(tmp_path, *items[::order])["srv"].mode == 0o700


def test_a_directory_may_be_copied_twice(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a/etc/x": "", "b/etc/y": ""})
    assert build_items(tmp_path, Copy("a", "/"), Copy("b", "/")).names == ["etc/", "etc/x", "etc/y"]


def test_directories_that_differ_in_time_only_take_the_latest(tmp_path: Path) -> None:
    for name, mtime in (("a", 30), ("b", 40), ("c", 20)):
        make_tar(tmp_path / name, [(tar_info("usr/", mtime=mtime), b""), (f"usr/{name}", b"")])
    keep = Attributes(mtime=KEEP)
    layer = build_items(tmp_path, *(Extract(name, "/", attributes=keep) for name in "abc"))
    assert layer["usr"].mtime == 40


def conflict(tmp_path: Path, *items: Item, **facts: Any) -> str:
    error = refused(tmp_path, *items, **facts)
    assert error.where == "ocibuild.yaml:1:5 and ocibuild.yaml:2:5"
    return error.what


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Text(b"a", "/etc/x", origin=at(1)), Text(b"a", "/etc/x", origin=at(2))),
        (Text(b"a", "/etc/x", origin=at(1)), Symlink("a", "/etc/x", origin=at(2))),
        (Text(b"a", "/etc/x", origin=at(1)), Directory("/etc/x/", origin=at(2))),
        (Directory("/etc/x", origin=at(1)), Directory("/etc//x", OWNED, origin=at(2))),
        (Directory("/etc/x", origin=at(1)), Replace("/etc/x", origin=at(2))),
        (Hardlink("/f", "/etc/x", origin=at(1)), Copy("f", "/etc/x", origin=at(2))),
        (Copy("d", "/etc", origin=at(1)), Text(b"", "/etc/x", origin=at(2))),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_one_path_holds_one_thing(tmp_path: Path, one: Item, other: Item, order: int) -> None:
    write_tree(tmp_path, {"f": "", "d/x": ""})
    assert conflict(tmp_path, *[one, other][::order]) == "/etc/x is put into this layer twice"


def test_directories_with_different_attributes_need_a_word(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a/etc/x": "", "b/etc/y": ""})
    one, other = Copy("a", "/", origin=at(1)), Copy("b", "/", attributes=OWNED, origin=at(2))
    error = refused(tmp_path, one, other)
    assert error.what == "the directory /etc comes twice, with different attributes"
    assert error.hint == "say which are meant: {directory: true, to: /etc, mode: ...}"
    assert build_items(tmp_path, one, other, Directory("/etc", OWNED))["etc"].mode == 0o700


@pytest.mark.parametrize(
    "above",
    [Text(b"", "/a/b", origin=at(1)), Symlink("/srv", "/a/b", origin=at(1)), Hardlink("/f", "/a/b", origin=at(1))],
)
@pytest.mark.parametrize(
    "below",
    [
        Text(b"", "/a/b/c", origin=at(2)),
        Directory("/a/b/c", origin=at(2)),
        Copy("f", "/a/b/", origin=at(2)),
        Remove("/a/b/c", origin=at(2)),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_nothing_is_below_what_is_no_directory(tmp_path: Path, above: Item, below: Item, order: int) -> None:
    write_tree(tmp_path, {"f": "", "c": ""})
    message = conflict(tmp_path, *[Text(b"", "/f"), above, below][::order])
    assert message.endswith("cannot be below /a/b, which is no directory in this layer")


@pytest.mark.parametrize(
    ("item", "removed"),
    [
        (Text(b"", "/a", origin=at(2)), "/a"),
        (Text(b"", "/a/b/c", origin=at(2)), "/a"),
        (Directory("/a", origin=at(2)), "/a"),
        (Replace("/a", origin=at(2)), "/a"),
        (Symlink("x", "/a", origin=at(2)), "/a"),
        (Hardlink("/f", "/a", origin=at(2)), "/a"),
        (Remove("/a/b", origin=at(2)), "/a"),
        (Copy("d", "/", origin=at(2)), "/a"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_layer_does_not_remove_what_it_puts_there(tmp_path: Path, item: Item, removed: str, order: int) -> None:
    write_tree(tmp_path, {"d/a": ""})
    items: list[Item] = [Text(b"", "/f"), Remove("/a", origin=at(1)), item]
    error = refused(tmp_path, *items[::order])
    assert error.what == f"{removed} is removed and put back by the same layer"
    assert "ocibuild.yaml:1:5" in str(error.where)


def test_removing_twice_is_one_too_many(tmp_path: Path) -> None:
    assert "twice" in conflict(tmp_path, Remove("/a", origin=at(1)), Remove("/a", origin=at(2)))


def test_an_opaque_directory_may_hold_whiteouts_and_files(tmp_path: Path) -> None:
    layer = build_items(tmp_path, Replace("/a"), Remove("/a/b"), Text(b"", "/a/!"), Replace("/a/c"))
    assert layer.names == ["a/", "a/.wh..wh..opq", "a/.wh.b", "a/!", "a/c/", "a/c/.wh..wh..opq"]


def test_whiteouts_come_first_in_their_directory(tmp_path: Path) -> None:
    items = Text(b"", "/d/!"), Text(b"", "/d/ "), Remove("/d/z"), Text(b"", "/d/\x01"), Remove("/d/a"), Text(b"", "/!")
    names = build_items(tmp_path, *items).names
    assert names == ["!", "d/", "d/.wh.a", "d/.wh.z", "d/\x01", "d/ ", "d/!"]


def links_of(tmp_path: Path, *items: Item) -> list[tuple[str, str]]:
    members = build_items(tmp_path, *items).members
    return [(member.name, member.linkname) for member in members if member.islnk()]


@pytest.mark.parametrize("order", [1, -1])
def test_a_declared_link_and_its_target_may_change_roles(tmp_path: Path, order: int) -> None:
    items: list[Item] = [Text(b"x", "/m"), Hardlink("/m", "/a"), Hardlink("/z", "/b"), Hardlink("/a", "/z")]
    assert links_of(tmp_path, *items[::order]) == [("b", "a"), ("m", "a"), ("z", "a")]


def test_a_declared_link_to_a_file_that_has_names_on_disk(tmp_path: Path) -> None:
    write_tree(tmp_path, {"one": "x"})
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    assert links_of(tmp_path, Copy(".", "/"), Hardlink("/two", "/a")) == [("one", "a"), ("two", "a")]


def test_a_link_to_a_file_out_of_an_archive_follows_it(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [("z", b"zz"), ("b", b"bb")])
    layer = build_items(tmp_path, Extract("a.tar", "/"), Hardlink("/z", "/a"), Hardlink("/a", "/c"), Text(b"", "/d"))
    assert layer.names == ["d", "a", "b", "c", "z"]
    assert (layer["c"].linkname, layer["z"].linkname) == ("a", "a")
    assert (layer.content("a"), layer.content("b")) == (b"zz", b"bb")


@pytest.mark.parametrize("target", ["/nothing", "/d", "/s", "/a"])
def test_a_hard_link_leads_to_a_file_of_its_layer(tmp_path: Path, target: str) -> None:
    items = Directory("/d"), Symlink("f", "/s"), Text(b"", "/f"), Hardlink(target, "/a", origin=at(6))
    error = refused(tmp_path, *items)
    assert error.what == f"the hard link /a leads to {target}, which is no file of this layer"
    assert error.where == "ocibuild.yaml:6:5"
    assert "lower layer" in str(error.hint)


def test_hard_links_in_a_ring_lead_nowhere(tmp_path: Path) -> None:
    assert "is no file of this layer" in refused(tmp_path, Hardlink("/b", "/a"), Hardlink("/a", "/b")).what


def test_a_hard_link_does_not_lead_to_a_whiteout_or_an_archived_link(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [(tar_info("s", tarfile.SYMTYPE, "x"), b"")])
    assert "no file of this layer" in refused(tmp_path, Extract("a.tar", "/"), Hardlink("/s", "/b")).what


# Properties of any arrangement, over few names so that paths meet.
PATHS = st.lists(st.sampled_from([b"a", b"b", b"a-", b"a.b", b"\xff"]), min_size=1, max_size=3).map(b"/".join)
RANKS = st.sampled_from(Rank)


def entries() -> st.SearchStrategy[Entry]:
    def entry(path: bytes, kind: bytes, link: bytes, inode: int | None, rank: Rank, mode: int) -> Entry:
        is_file = kind == FILE
        return Entry(
            path,
            kind,
            mode if kind == DIRECTORY else 0o644,
            0,
            0,
            0,
            link=link if kind in (HARDLINK, SYMLINK) else b"",
            size=3 if is_file else 0,
            content=b"abc" if is_file else b"",
            links=("disk", inode) if is_file and inode else None,
            rank=rank,
        )

    kinds = st.sampled_from([FILE, FILE, DIRECTORY, HARDLINK, SYMLINK])
    return st.builds(
        entry, PATHS, kinds, PATHS, st.sampled_from([None, 1, 2]), RANKS, st.sampled_from([0o755, 0o755, 0o700])
    )


@given(st.lists(entries(), max_size=12), st.randoms())
def test_an_arrangement_is_complete_ordered_and_the_same_for_every_order_of_entries(
    given_entries: list[Entry], random: Any
) -> None:
    def outcome(some: list[Entry]) -> list[Entry] | None:
        try:
            return arrange(some, {}, 0)
        except SourceError:
            return None

    members = outcome(given_entries)
    shuffled = list(given_entries)
    random.shuffle(shuffled)
    assert outcome(shuffled) == members
    if members is None:
        return
    paths = [member.path for member in members]
    assert len(set(paths)) == len(paths)
    assert {entry.path for entry in given_entries} <= set(paths)
    before: dict[bytes, Entry] = {}
    for member in members:
        parent = member.path.rpartition(b"/")[0]
        assert not parent or before[parent].kind == DIRECTORY
        if member.kind == HARDLINK:
            assert before[member.link].kind == FILE
        before[member.path] = member
