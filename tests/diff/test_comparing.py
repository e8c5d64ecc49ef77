"""Two trees side by side, and when the layers that both stand on need not be read for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError
from ocibuild.tree.comparing import FileChange, base_matters, compare
from ocibuild.tree.entry import shown
from ocibuild.tree.layer import LayerFiles
from ocibuild.tree.merged import Tree
from tests.diff.layers import Member, directory, file, hardlink, layer, symlink, tree

Seen = tuple[str, str, tuple[str, ...]]


def seen(changes: tuple[FileChange, ...]) -> list[Seen]:
    return [(shown(change.path), change.status, change.fields) for change in changes]


CASES: dict[str, tuple[list[Member], list[Member], list[Seen]]] = {
    "added": ([], [file("a/b")], [("/a", "added", ()), ("/a/b", "added", ())]),
    "removed": ([file("a/b")], [], [("/a", "removed", ()), ("/a/b", "removed", ())]),
    "content": ([file("a", "1")], [file("a", "2")], [("/a", "changed", ("content",))]),
    "size": ([file("a", "1")], [file("a", "22")], [("/a", "changed", ("size", "content"))]),
    "mode and owner": ([file("a")], [file("a", mode=0o755, owner=(1, 0))], [("/a", "changed", ("mode", "owner"))]),
    "link": ([symlink("a", "b")], [symlink("a", "c")], [("/a", "changed", ("link",))]),
    "mode of a link means nothing": ([symlink("a", "b")], [Member("a", b"2", link="b", mode=0)], []),
    "xattrs": ([file("a")], [file("a", xattrs=(("user.a", "b"),))], [("/a", "changed", ("xattrs",))]),
    "kind": (
        [file("a/b")],
        [file("a")],
        [("/a", "changed", ("kind",)), ("/a/b", "removed", ())],
    ),
    "hard link or copy": (
        [file("a"), hardlink("b", "a")],
        [file("a"), file("b")],
        [("/a", "changed", ("hardlink",)), ("/b", "changed", ("hardlink",))],
    ),
    "which name came first means nothing": (
        [file("a"), hardlink("b", "a")],
        [file("b"), hardlink("a", "b")],
        [],
    ),
    "order of members means nothing": ([file("a"), file("b")], [file("b"), file("a")], []),
    "a directory that is said or implied": ([file("d/a")], [directory("d"), file("d/a")], []),
    "times are not compared": ([file("a", mtime=1)], [file("a", mtime=2)], []),
    "names in the order of their bytes": (
        [],
        [file("b/a"), file("a.b"), file("a/b")],
        [("/a", "added", ()), ("/a/b", "added", ()), ("/a.b", "added", ()), ("/b", "added", ()), ("/b/a", "added", ())],
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_what_differs(before: list[Member], after: list[Member], expected: list[Seen]) -> None:
    assert seen(compare(tree(before), tree(after))) == expected


def test_times_if_they_are_asked_for() -> None:
    before, after = tree([file("d/a", mtime=1)]), tree([directory("d", mtime=5), file("d/a", mtime=2)])
    assert seen(compare(before, after, times=True)) == [("/d/a", "changed", ("mtime",))], "implied ones have no time"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([file("a", "1")], [file("a", "2")], False),
        ([file("d/.wh.a"), file("b")], [file("d/.wh.a"), file("b")], False),
        ([file("a")], [file("a"), file("b")], True),
        ([file("a")], [file(".wh.a")], True),
        ([file("d")], [directory("d")], True),
        ([symlink("d", "x"), file("d/a")], [symlink("d", "y"), file("d/a")], True),
        ([hardlink("a", "b")], [hardlink("a", "b")], True),
        ([file("b"), hardlink("a", "b")], [file("b", "2"), hardlink("a", "b")], False),
    ],
)
def test_when_shared_layers_matter(before: list[Member], after: list[Member], *, expected: bool) -> None:
    assert base_matters([layer(*before).changes], [layer(*after).changes]) is expected


PATHS = ("a", "b", "a/b", "a/c", "a/b/c", "b/c")
members = st.one_of(
    st.builds(file, st.sampled_from(PATHS), st.sampled_from("12")),
    st.builds(directory, st.sampled_from(PATHS), st.sampled_from([0o755, 0o700])),
    st.builds(file, st.sampled_from((".wh.a", ".wh.b", "a/.wh.b", "a/.wh..wh..opq"))),
    st.builds(hardlink, st.sampled_from(PATHS), st.sampled_from(PATHS)),
)
layers = st.lists(members, max_size=4).map(lambda chosen: layer(*chosen))


def stacked(*all_layers: LayerFiles) -> Tree:
    made = Tree()
    for number, files in enumerate(all_layers):
        made.apply(files.changes, number)
    return made


@settings(max_examples=300, deadline=None)
@given(st.lists(layers, max_size=2), st.lists(layers, max_size=2), st.lists(layers, max_size=2))
def test_what_is_found_without_the_shared_layers_is_what_is_found_with_them(
    base: list[LayerFiles], before: list[LayerFiles], after: list[LayerFiles]
) -> None:
    try:
        full = compare(stacked(*base, *before), stacked(*base, *after))
    except IntegrityError:
        return
    if not base_matters([one.changes for one in before], [one.changes for one in after]):
        assert seen(compare(stacked(*before), stacked(*after))) == seen(full)


@settings(max_examples=100, deadline=None)
@given(st.lists(layers, max_size=3), st.lists(layers, max_size=3))
def test_a_difference_turned_around(before: list[LayerFiles], after: list[LayerFiles]) -> None:
    try:
        left, right = stacked(*before), stacked(*after)
    except IntegrityError:
        return
    assert compare(left, left) == ()
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    there, back = seen(compare(left, right)), seen(compare(right, left))
    assert [(path, turned[status], fields) for path, status, fields in there] == back
