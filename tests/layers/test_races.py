"""Sources that change during a build are an error, and never a way to what lies outside.

Each test looks first, as the build does, then changes the disk, then reads: the same race every time.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from ocibuild.errors import SourceError
from ocibuild.layers.archive_layer import keep_archive
from ocibuild.layers.archive_source import find_archive
from ocibuild.layers.arrange import arrange
from ocibuild.layers.context import find
from ocibuild.layers.found import unpacked
from ocibuild.layers.patterns import Selection, Standing
from ocibuild.layers.sources import layer_entries
from ocibuild.layers.survey import Looked, survey_layer
from ocibuild.layers.walk import look_at, walk
from ocibuild.plan import ArchiveLayer, Copy, Extract, Item
from tests.layers.building import at, files_layer, make_tar, segments_of, write_tree
from tests.layers.memory_store import MemoryStore

pytestmark = pytest.mark.usefixtures("either_way")
CONTENT = b"content" * 300_000  # two segments
Change = Callable[[Path, Path], object]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    write_tree(tmp_path / "outside", {"f": b"SECRET!" * 300_000, "g": "SECRET"})
    return write_tree(tmp_path / "context", {"d/f": CONTENT, "d/g": "beside"})


def read(context: Path, *items: Item, change: Callable[[], object] = lambda: None, after: int = 0) -> bytes:
    """The tar of a layer whose sources change after they were looked at, when so many of its segments were read."""
    plan = files_layer(context, *items)
    stream = segments_of(arrange(layer_entries(plan, survey_layer(plan)), {}, 0))
    pieces = [segment.load() for segment in islice(stream, after)]
    change()
    return b"".join([*pieces, *(segment.load() for segment in stream)])


def rewrite(path: Path, content: bytes) -> None:
    """New bytes in the same file, at the same time."""
    facts = path.stat()
    with path.open("r+b") as file:
        file.write(content)
        file.truncate(len(content))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))  # an absolute path may be too long


def make_device(path: Path) -> None:
    """One that gives as many zeros as anybody wants."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        path.open("rb").close()
    except PermissionError:
        pytest.skip("only root makes devices, and not on every file system")


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path, out: os.truncate(path, 1000), "it became shorter"),
        (lambda path, out: os.truncate(path, 1_500_000), "its content was written to|it became shorter"),
        (lambda path, out: rewrite(path, CONTENT + b"more"), "its content was written to"),
        (lambda path, out: touch(path), "its content was written to"),
        (lambda path, out: Path(shutil.copy2(out / "f", out / "new")).rename(path), "another file has taken its place"),
        (
            lambda path, out: replaced(path, lambda path: path.hardlink_to(out / "f")),
            "another file has taken its place",
        ),
        (
            lambda path, out: replaced(path, lambda path: path.symlink_to(out / "f")),
            "something else has taken its place",
        ),
        (lambda path, out: replaced(path, os.mkfifo), "something else has taken its place"),
        (lambda path, out: replaced(path, make_socket), "something else has taken its place"),
        # It may well have the inode number of the file that was removed; its size tells.
        (lambda path, out: replaced(path, make_device), "another file has taken its place|its content was written to"),
        (lambda path, out: replaced(path, Path.mkdir), "something else has taken its place"),
        (lambda path, out: path.unlink(), "it was removed"),
    ],
    ids=[
        "cut",
        "cut-a-little",
        "longer",
        "touched",
        "other-file",
        "hard-link",
        "symlink",
        "fifo",
        "socket",
        "device",
        "directory",
        "removed",
    ],
)
@pytest.mark.parametrize("after", [0, 1], ids=["before it is read", "half read"])
@pytest.mark.parametrize("source", ["d", "d/f"])
def test_a_file_that_changes(context: Path, source: str, after: int, change: Change, reason: str) -> None:
    path = context / "d/f"
    with pytest.raises(SourceError) as caught:
        read(context, Copy(source, "/x"), change=lambda: change(path, context.parent / "outside"), after=after)
    assert re.fullmatch(f"{re.escape(str(path))} changed during the build: ({reason})", caught.value.what)
    assert "run the build again" in str(caught.value.hint)


def test_a_file_that_becomes_unreadable(context: Path) -> None:
    (context / "unreadable").touch(0)
    if os.access(context / "unreadable", os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        read(context, Copy("d", "/x"), change=lambda: (context / "d/f").chmod(0))


@pytest.mark.parametrize("target", ["outside", "context/other"])
def test_a_directory_that_becomes_a_link(context: Path, target: str) -> None:
    """The path now leads to files of the same names elsewhere."""

    def swap() -> None:
        shutil.copytree(context / "d", context / "other")
        (context / "d").rename(context / "aside")
        (context / "d").symlink_to(context.parent / target)

    with pytest.raises(SourceError, match="another file has taken its place"):
        read(context, Copy("d", "/x"), change=swap)


def test_a_file_that_only_moved_with_its_directory_is_gone(context: Path) -> None:
    with pytest.raises(SourceError, match="it was removed"):
        read(context, Copy("d", "/x"), change=lambda: (context / "d").rename(context / "e"))


class Meddling(Selection):
    """A selection during whose decision on a directory the disk changes: it was listed, and is not open yet."""

    def __init__(self, change: Callable[[], None], at: bytes = b"sub") -> None:
        super().__init__()
        object.__setattr__(self, "change", change)
        object.__setattr__(self, "at", at)

    def standing(self, path: bytes, parent: Standing, *, is_directory: bool) -> Standing:
        if path == self.at:  # type: ignore[attr-defined]
            self.change()  # type: ignore[attr-defined]
        return super().standing(path, parent, is_directory=is_directory)


@pytest.mark.parametrize("keeps_xattrs", [False, True])
@pytest.mark.parametrize("swapped", ["d", "d/sub"])
def test_a_directory_swapped_in_mid_walk_never_leads_out(context: Path, swapped: str, keeps_xattrs: bool) -> None:
    """The walk holds handles: what takes a directory's place by name is an error, or is not looked at."""
    write_tree(context, {"d/sub/deep/inside": "inside"})
    outside = write_tree(context.parent / "outside", {"sub/deep/inside": "SECRET", "deep/inside": "SECRET"})

    def swap() -> None:
        (context / swapped).rename(context / "aside")
        (context / swapped).symlink_to(outside)

    source = find(context, "d", None)
    if swapped == "d/sub":
        with pytest.raises(SourceError, match="d/sub cannot be read: Not a directory"):
            walk(source, Meddling(swap), None, keeps_xattrs=keeps_xattrs)
    else:
        found = walk(source, Meddling(swap), None, keeps_xattrs=keeps_xattrs)
        inodes = {path.stat().st_ino for path in (context / "aside").rglob("*")}
        assert {unpacked(each.facts).inode for each in found[1:]} == inodes


@pytest.mark.parametrize(("at", "keeps_xattrs"), [(b"sub/deep", False), (b"sub/deep", True), (b"sub/file", True)])
def test_a_directory_on_the_way_that_is_swapped_never_leads_out(context: Path, at: bytes, keeps_xattrs: bool) -> None:
    """What is below `d/sub` was found there, and would now be found outside under the same names."""
    write_tree(context, {"d/sub/deep/inside": "inside", "d/sub/file": "inside"})
    outside = write_tree(context.parent / "outside", {"deep/inside": "SECRET", "file": "SECRET"})

    def swap() -> None:
        (context / "d/sub").rename(context / "aside")
        (context / "d/sub").symlink_to(outside)

    with pytest.raises(SourceError, match=r"d/sub/.* cannot be read: something else has taken its place"):
        walk(find(context, "d", None), Meddling(swap, at), None, keeps_xattrs=keeps_xattrs)


def test_a_directory_that_is_removed_in_mid_walk(context: Path) -> None:
    write_tree(context, {"d/sub/": ""})
    with pytest.raises(SourceError, match="d/sub cannot be read: No such file or directory") as caught:
        walk(find(context, "d", None), Meddling((context / "d/sub").rmdir), at(3), keeps_xattrs=False)
    assert caught.value.where == "ocibuild.yaml:3:5"


def test_a_link_is_read_where_it_was_found(context: Path) -> None:
    write_tree(context, {"d/sub/": ""})
    (context / "d/sub/link").symlink_to("inside")
    write_tree(context.parent / "outside", {"sub/": ""})
    (context.parent / "outside/sub/link").symlink_to("SECRET")

    def swap() -> None:
        (context / "d").rename(context / "aside")
        (context / "d").symlink_to(context.parent / "outside")

    found = walk(find(context, "d", None), Meddling(swap), None, keeps_xattrs=True)
    assert [each.link for each in found if each.link] == [b"inside"]


@pytest.mark.parametrize("keeps_xattrs", [False, True])
def test_a_source_that_becomes_a_link_after_it_was_found(context: Path, keeps_xattrs: bool) -> None:
    source = find(context, "d/f", None)
    replaced(context / "d/f", lambda path: path.symlink_to(context.parent / "outside/f"))
    plan = files_layer(context, Copy("d/f", "/x"))

    def stream() -> bytes:
        looked = Looked(source, [look_at(source, None, keeps_xattrs=keeps_xattrs)])
        return b"".join(segment.load() for segment in segments_of(arrange(layer_entries(plan, [looked]), {}, 0)))

    with pytest.raises(SourceError, match="d/f"):
        stream()


@pytest.mark.parametrize(
    "change",
    [
        lambda path: make_tar(path, [("f", b"SECRET!" * 300_000)]),
        lambda path: os.truncate(path, 3000),
        lambda path: path.unlink(),
        lambda path: replaced(path, os.mkfifo),
        touch,
    ],
    ids=["rewritten", "cut", "removed", "fifo", "touched"],
)
def test_an_archive_that_changes_between_its_two_readings(context: Path, change: Callable[[Path], object]) -> None:
    path = make_tar(context / "a.tar", [("f", CONTENT)])
    with pytest.raises(SourceError) as caught:
        read(context, Extract("a.tar", "/x"), change=lambda: change(path))
    assert caught.value.what.startswith(f"{path} changed during the build")


def test_an_archive_that_changes_while_it_is_read(context: Path) -> None:
    """Each piece is believed only if the file is unchanged after it was read."""
    path = make_tar(context / "a.tar", [("f", CONTENT), ("g", CONTENT * 3)])
    plan = files_layer(context, Extract("a.tar", "/x"))
    stream = segments_of(arrange(layer_entries(plan, survey_layer(plan)), {}, 0))
    next(stream)
    rewrite(path, b"SECRET!" + path.read_bytes()[7:])
    os.utime(path)
    with pytest.raises(SourceError, match="changed during the build: its content was written to"):
        list(stream)


@pytest.mark.parametrize(
    "change", [touch, lambda path: os.truncate(path, 1 << 20), Path.unlink], ids=["touched", "cut", "removed"]
)
def test_a_layer_that_is_an_archive_changes_while_it_is_taken(context: Path, change: Callable[[Path], object]) -> None:
    """It is read once: what is hashed is what is written. A file that only loses its name is read to its end all the same."""
    path = make_tar(context / "a.tar", [("f", CONTENT)])
    archive, store = find_archive(context, "a.tar", None), MemoryStore()
    chunks: list[int] = []

    def advance(amount: int) -> None:
        if not chunks:
            change(path)
        chunks.append(amount)

    plan = ArchiveLayer("layer", "a.tar", context)
    if change is Path.unlink:
        keep_archive(plan, archive, store, advance)
        assert len(store.blobs) == 1
    else:
        with pytest.raises(SourceError, match="changed during the build"):
            keep_archive(plan, archive, store, advance)
        assert store.blobs == {}


def test_nothing_of_a_change_is_in_an_undisturbed_layer(context: Path) -> None:
    assert b"SECRET" not in read(context, Copy(".", "/x"))
    assert CONTENT in read(context, Copy(".", "/x"))
