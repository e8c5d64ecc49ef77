"""Many files are asked for in one call, by compiled code where there is some: with the same answers."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocibuild.errors import SourceError
from ocibuild.layers import disk
from ocibuild.layers.disk import FilePart, load, look
from ocibuild.layers.found import Found, found_at, unpacked
from tests.layers.building import write_tree

either_way = pytest.mark.usefixtures("either_way")
TIMES = [0, -1, -(10**18), 1_700_000_000_123_456_789, 2**33 * 10**9 + 7]


@pytest.fixture
def compiled() -> ModuleType:
    """The compiled code; without it a test is skipped, and fails in CI, where nothing is left out."""
    if disk._compiled is None:
        message = "ocibuild/layers/_disk.c was not compiled here"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    return disk._compiled


def listed(directory: Path, below: str = "") -> list[Found]:
    """What `look` finds in the directory `below` another one."""
    root = os.fsencode(directory)
    path = os.path.join(root, os.fsencode(below)) if below else root
    handle = os.open(directory, os.O_RDONLY)
    try:
        return next(look(handle, len(root) + 1, (found_at(path, os.lstat(path)),)))
    finally:
        os.close(handle)


@either_way
def test_facts_are_those_of_lstat(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_bytes(b"12345")
    (tmp_path / "f").chmod(0o4751)
    os.link(tmp_path / "f", tmp_path / "second name")
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
    (tmp_path / os.fsdecode(b"\xff name")).touch()
    for number, time in enumerate(TIMES):
        (tmp_path / f"time {number}").touch()
        os.utime(tmp_path / f"time {number}", ns=(time, time))
    found = listed(tmp_path)
    paths = sorted(os.fsencode(tmp_path) + b"/" + os.fsencode(name) for name in os.listdir(tmp_path))
    assert len(paths) == 7 + len(TIMES)
    links = {os.fsencode(tmp_path / "link"): b"nowhere"}
    assert found == [found_at(path, os.lstat(path))._replace(link=links.get(path, b"")) for path in paths]
    for each in found:
        facts, lstat = unpacked(each.facts), os.lstat(each.path)
        assert (
            (facts.device, facts.inode, facts.size) == (lstat.st_dev, lstat.st_ino, each.size) == lstat_identity(lstat)
        )
        assert (facts.mode, facts.uid, facts.gid, facts.names) == (each.mode, lstat.st_uid, lstat.st_gid, each.names)
        times = facts.mtime * 10**9 + facts.mtime_rest, facts.ctime * 10**9 + facts.ctime_rest
        assert times == (lstat.st_mtime_ns, lstat.st_ctime_ns)
        assert each.newest_ns == max(times)


def lstat_identity(lstat: os.stat_result) -> tuple[int, int, int]:
    return lstat.st_dev, lstat.st_ino, lstat.st_size


@either_way
def test_a_listing_is_in_the_order_of_the_bytes_of_names(tmp_path: Path) -> None:
    names = [b"B", b"a", b"a-", b"a.b", b"\xc3\xa4", b"\xff", b"\x01", b"a\n", b".hidden", b"..."]
    for name in names:
        os.mkdir(os.fsencode(tmp_path) + b"/" + name)
    (tmp_path / "a" / "inner").touch()
    assert [os.path.basename(each.path) for each in listed(tmp_path)] == sorted(names)
    assert [each.path for each in listed(tmp_path, "a")] == [os.fsencode(tmp_path) + b"/a/inner"]


@either_way
def test_what_was_listed_can_be_compared_and_be_a_key(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    first, again = listed(tmp_path), listed(tmp_path)
    assert {first[0]: 1}[again[0]] == 1
    assert type(first[0]) is Found


@either_way
def test_links_lead_where_they_lead_however_long(tmp_path: Path) -> None:
    for number, target in enumerate(["x", "/" * 4095, "\udcff", "a/../b"]):
        (tmp_path / f"{number}").symlink_to(target)
    assert [each.link for each in listed(tmp_path)] == [b"x", b"/" * 4095, b"\xff", b"a/../b"]


@either_way
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 500])
def test_any_number_of_directories_and_names(tmp_path: Path, count: int) -> None:
    """By one thread or by several: each in its place, and with its own content."""
    for number in range(count):
        for name in range(number % 7):
            write_tree(tmp_path, {f"{number:03}/{name}": str(number)})
        (tmp_path / f"{number:03}").mkdir(exist_ok=True)
    top = listed(tmp_path)
    assert [os.path.basename(each.path) for each in top] == [b"%03d" % number for number in range(count)]
    handle = os.open(tmp_path, os.O_RDONLY)
    found = list(look(handle, len(os.fsencode(tmp_path)) + 1, tuple(top)))
    os.close(handle)
    for number, (directory, content) in enumerate(zip(top, found, strict=True)):
        assert [each.path for each in content] == [directory.path + b"/%d" % name for name in range(number % 7)]
        assert all(each.size == len(str(number)) for each in content)


def swap(path: Path) -> None:
    path.rename(path.parent / "aside")
    path.mkdir()


def lead_away(path: Path) -> None:
    path.rename(path.parent / "aside")
    path.symlink_to("aside")


@either_way
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (Path.rmdir, "No such file"),
        (swap, "something else has taken its place"),
        (lead_away, "Not a directory"),
        (lambda path: (path.rmdir(), path.touch()), "Not a directory"),
    ],
    ids=["removed", "another", "link", "file"],
)
@pytest.mark.parametrize("bad", [0, 3, 99])
def test_a_directory_that_is_not_the_one_that_was_found_is_told_by_its_error(
    tmp_path: Path, bad: int, change: Callable[[Path], object], error: str
) -> None:
    """All that comes before it is told; nothing of what has come to stand there."""
    tree = write_tree(tmp_path / "tree", {f"{number:03}/": "" for number in range(100)})
    directories = listed(tree)
    change(tree / f"{bad:03}")
    handle = os.open(tree, os.O_RDONLY)
    listings = look(handle, len(os.fsencode(tree)) + 1, tuple(directories))
    assert [next(listings) for _ in range(bad)] == [[]] * bad
    with pytest.raises(OSError, match=error):
        next(listings)
    os.close(handle)


@either_way
def test_a_directory_on_the_way_that_was_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tree/way/deep/inside": "", "outside/deep/SECRET": ""})
    deep = listed(tmp_path / "tree", "way")
    (tmp_path / "tree/way").rename(tmp_path / "tree/aside")
    (tmp_path / "tree/way").symlink_to("../outside")
    handle = os.open(tmp_path / "tree", os.O_RDONLY)
    with pytest.raises(OSError, match="something else has taken its place"):
        next(look(handle, len(os.fsencode(tmp_path / "tree")) + 1, tuple(deep)))
    os.close(handle)


@either_way
def test_the_root_of_all_is_no_exception(tmp_path: Path) -> None:
    handle = os.open("/", os.O_RDONLY)
    names = [each.path for each in next(look(handle, 1, (found_at(b"/", os.lstat("/")),)))]
    os.close(handle)
    assert names == sorted(b"/" + os.fsencode(name) for name in os.listdir("/"))


@either_way
def test_a_handle_that_is_none_is_told_by_its_error(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    os.close(handle)
    with pytest.raises(OSError, match="Bad file descriptor"):
        next(look(handle, 1, (found_at(os.fsencode(tmp_path), os.lstat(tmp_path)),)))


def part(path: Path, position: int, offset: int, length: int) -> FilePart:
    return position, found_at(os.fsencode(path), os.lstat(path)), offset, length


def loaded(size: int, blocks: list[tuple[int, bytes]], files: list[FilePart]) -> bytes:
    return bytes(load(size, tuple(blocks), tuple(files)))


@either_way
def test_blocks_and_parts_of_files_come_to_their_places_and_all_else_is_zeros(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abcdefgh")
    (tmp_path / "b").write_bytes(b"12345678")
    first, second, third = (
        part(tmp_path / name, position, offset, length)
        for name, position, offset, length in [("a", 1, 3, 4), ("a", 6, 0, 1), ("b", 12, 0, 8)]
    )
    assert loaded(20, [], [first, second, third]) == b"\0defg\0a\0\0\0\0\00012345678"
    assert loaded(24, [(5, b"+"), (8, b"----")], [first, second, third]) == b"\0defg+a\0----12345678\0\0\0\0"
    assert loaded(9, [(0, b"x"), (5, b""), (7, b"yz")], [first]) == b"xdefg\0\0yz"
    assert loaded(0, [], []) == b""
    assert loaded(300_000, [], []) == bytes(300_000)


@either_way
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=30), st.integers(0, 40))
def test_any_order_of_blocks_files_and_gaps(pieces: list[tuple[int, int, bool]], rest: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "file")
        file.write_bytes(bytes(range(1, 41)))
        expected, blocks, files = b"", list[tuple[int, bytes]](), list[FilePart]()
        for gap, length, is_file in pieces:
            expected += bytes(gap)
            content = file.read_bytes()[:length] if is_file else b"\xff" * length
            if is_file and length:
                files.append(part(file, len(expected), 0, length))
            elif not is_file:
                blocks.append((len(expected), content))
            expected += content
        expected += bytes(rest)
        assert loaded(len(expected), blocks, files) == expected


@either_way
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_file_that_changed_is_named(tmp_path: Path, bad: int) -> None:
    files = []
    for number in range(3):
        (tmp_path / f"{number}").write_bytes(b"%d" % number)
        files.append(part(tmp_path / f"{number}", number, 0, 1))
    os.utime(tmp_path / f"{bad}", ns=(0, 0))
    with pytest.raises(SourceError, match=rf"{tmp_path}/{bad} changed during the build"):
        loaded(3, [], files)


def test_a_module_that_was_compiled_from_another_source_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, used in [
        (SimpleNamespace(INTERFACE=3), True),
        (SimpleNamespace(INTERFACE=2), False),
        (SimpleNamespace(), False),
    ]:
        monkeypatch.setattr(disk, "import_module", lambda name, module=module: module)
        assert (disk._compiled_module() is not None) == used


def test_a_trouble_that_is_over_by_the_time_it_is_looked_at_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal may interrupt a call, say: what the compiled code could not read is read the other way."""
    (tmp_path / "a").write_bytes(b"abc")
    half_done = SimpleNamespace(load=lambda size, blocks, files: (bytearray(b"abc???"), 1))
    monkeypatch.setattr(disk, "_compiled", half_done)
    assert loaded(6, [], [part(tmp_path / "a", 0, 0, 3), part(tmp_path / "a", 3, 0, 3)]) == b"abcabc"


@pytest.mark.parametrize(
    ("position", "length"), [(-1, 1), (3, 1), (1, 3), (0, -1), (1 << 62, 1), (1, 1 << 62), (-(1 << 62), 1)]
)
def test_nothing_is_written_outside_of_the_segment(
    tmp_path: Path, compiled: ModuleType, position: int, length: int
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(ValueError, match="outside of the segment"):
        compiled.load(3, (), (part(tmp_path / "a", position, 0, length),))
    with pytest.raises(ValueError, match="outside of the segment"):
        compiled.load(3, ((position, bytes(max(length, 0) % 7 or 4)),), ())


def test_pieces_that_lie_upon_one_another_are_refused(tmp_path: Path, compiled: ModuleType) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    file = part(tmp_path / "a", 2, 0, 3)
    for blocks, files in [
        (((0, b"abc"),), (file,)),
        (((4, b"x"),), (file,)),
        (((1, b"x"), (0, b"x")), ()),
        ((), (file, file)),
    ]:
        with pytest.raises(ValueError, match="upon another one"):
            compiled.load(9, blocks, files)


def test_arguments_of_another_kind_are_refused(tmp_path: Path, compiled: ModuleType) -> None:
    (tmp_path / "a").touch()
    content = found_at(os.fsencode(tmp_path / "a"), os.lstat(tmp_path / "a"))
    files: list[object] = [
        7, (0, content, 0), (0, content[:1], 0, 1), (0, (b"a\0b", *content[1:]), 0, 1), (None, content, 0, 1), (0, list(content), 0, 1),
        [0, content, 0, 1], (0, ("a", content.facts), 0, 1), (0, (content.path, "a"), 0, 1), (0, (content.path, content.facts[1:]), 0, 1),
        (0, (content.path, bytearray(content.facts)), 0, 1), (0, (), 0, 1),
    ]  # fmt: skip
    for file in files:
        with pytest.raises((TypeError, ValueError)):
            compiled.load(3, (), (file,))
    for block in (7, (0,), (b"x", 0), (0, "x"), (0, bytearray(b"x"))):
        with pytest.raises(TypeError):
            compiled.load(3, (block,), ())
    wrong: list[tuple[object, object, object]] = [("3", (), ()), (3, [], ()), (3, (), [])]
    for arguments in wrong:
        with pytest.raises(TypeError):
            compiled.load(*arguments)
    with pytest.raises(ValueError, match="below zero"):
        compiled.load(-1, (), ())
    directory = content[:2]
    looks: list[tuple[object, ...]] = [
        ("x", 0, (), Found), (0, "x", (), Found), (0, 0, [], Found), (0, 0, (), ()), (0, 0, (), dict), (0, 0, ()),
        (0, 0, (7,), Found), (0, 0, (directory[:1],), Found), (0, 0, (directory, list(directory)), Found),
        (0, 0, (("a", content.facts),), Found), (0, -1, (directory,), Found),
    ]  # fmt: skip
    for asked in looks:
        with pytest.raises(TypeError):
            compiled.look(*asked)
    for path, facts in [(b"a\0b", content.facts), (b"a", content.facts[1:])]:
        with pytest.raises(ValueError, match="NUL"):
            compiled.look(0, 0, ((path, facts),), Found)
