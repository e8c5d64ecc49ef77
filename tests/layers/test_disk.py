"""Many files are asked for in one call, by compiled code where there is some: with the same answers."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from ocibuild.errors import SourceError
from ocibuild.layers import disk
from ocibuild.layers.context import file_content
from ocibuild.layers.disk import FilePart, look, lstat_facts, read_files

either_way = pytest.mark.usefixtures("either_way")
TIMES = [0, -1, -(10**18), 1_700_000_000_123_456_789, 2**33 * 10**9 + 7]


@pytest.fixture
def compiled() -> ModuleType:
    """The compiled code; without it a test is skipped, and fails in CI, where nothing is left out."""
    if disk._compiled is None:
        message = "ocibuild/layers/_disk.c was not compiled here"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    return disk._compiled


def listed(directory: Path) -> dict[bytes, disk.LstatFacts]:
    names = tuple(os.fsencode(name) for name in sorted(os.listdir(directory)))
    handle = os.open(directory, os.O_RDONLY)
    try:
        return dict(zip(names, look(handle, names), strict=True))
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
    assert len(found) == 7 + len(TIMES)
    assert found == {name: lstat_facts(os.lstat(os.fsencode(tmp_path) + b"/" + name)) for name in found}


@either_way
@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 700])
def test_any_number_of_names(tmp_path: Path, count: int) -> None:
    for number in range(count):
        (tmp_path / f"{number:03}").write_bytes(bytes(number))
    assert [facts[3] for facts in listed(tmp_path).values()] == list(range(count))


@either_way
@pytest.mark.parametrize("before", [0, 300])
def test_a_name_that_is_gone_is_told_by_its_error(tmp_path: Path, before: int) -> None:
    names = tuple(b"%d" % number for number in range(before))
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    handle = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(FileNotFoundError, match="No such file"):
        look(handle, (*names, b"gone"))
    os.close(handle)


def part(path: Path, position: int, offset: int, length: int) -> FilePart:
    return FilePart(position, file_content(os.fsencode(path), os.lstat(path)), offset, length)


@either_way
def test_parts_of_files_come_to_their_places_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abcdefgh")
    (tmp_path / "b").write_bytes(b"12345678")
    buffer = bytearray(b"." * 20)
    read_files(buffer, (part(tmp_path / "b", 12, 0, 8), part(tmp_path / "a", 1, 3, 4), part(tmp_path / "a", 6, 0, 1)))
    assert bytes(buffer) == b".defg.a.....12345678"


@either_way
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_file_that_changed_is_named_and_those_behind_it_are_not_read(tmp_path: Path, bad: int) -> None:
    files = []
    for number in range(3):
        (tmp_path / f"{number}").write_bytes(b"%d" % number)
        files.append(part(tmp_path / f"{number}", number, 0, 1))
    os.utime(tmp_path / f"{bad}", ns=(0, 0))
    buffer = bytearray(b"...")
    with pytest.raises(SourceError, match=rf"{tmp_path}/{bad} changed during the build"):
        read_files(buffer, tuple(files))
    assert buffer[bad + 1 :] == b"..."[bad + 1 :]


def test_a_trouble_that_is_over_by_the_time_it_is_looked_at_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal may interrupt a call, say: what the compiled code could not read is read the other way."""
    (tmp_path / "a").write_bytes(b"abc")
    monkeypatch.setattr(disk, "_compiled", SimpleNamespace(read_files=lambda buffer, files: 1))
    buffer = bytearray(6)
    read_files(buffer, (part(tmp_path / "a", 0, 0, 3), part(tmp_path / "a", 3, 0, 3)))
    assert bytes(buffer) == b"\0\0\0abc"


@pytest.mark.parametrize(("position", "length"), [(-1, 1), (3, 1), (1, 3), (0, -1), (1 << 62, 1)])
def test_nothing_is_written_outside_of_the_buffer(
    tmp_path: Path, compiled: ModuleType, position: int, length: int
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(ValueError, match="outside of the buffer"):
        compiled.read_files(bytearray(3), (part(tmp_path / "a", position, 0, length),))


def test_arguments_of_another_kind_are_refused(tmp_path: Path, compiled: ModuleType) -> None:
    (tmp_path / "a").touch()
    content = file_content(os.fsencode(tmp_path / "a"), os.lstat(tmp_path / "a"))
    wrong: list[object] = [
        7,
        (0, content, 0),
        (0, content[:-1], 0, 1),
        (0, (b"a\0b", *content[1:]), 0, 1),
        (None, content, 0, 1),
    ]
    for each in wrong:
        with pytest.raises((TypeError, ValueError)):
            compiled.read_files(bytearray(3), (each,))
    for read_into, files in [(bytes(3), tuple[object, ...]()), (bytearray(3), list[object]())]:
        with pytest.raises(TypeError):
            compiled.read_files(read_into, files)
    for directory, names in [("x", ()), (0, [b"a"]), (0, ("a",))]:
        with pytest.raises(TypeError):
            compiled.look(directory, names)
