from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, OcibuildError, StoreError
from ocibuild.oci.compression import compressor
from ocibuild.oci.media_type import Compression
from ocibuild.store.tar_reading import TarFiles
from ocibuild.store.tar_writing import TarWriter, header
from ocibuild.store.writing import output_file

Member = tuple[str, bytes, bytes | str]


def tar_of(members: Iterable[Member], *, kind: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of (name, type, content or link target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for name, type_flag, content in members:
            member = tarfile.TarInfo(name)
            member.type = type_flag
            if isinstance(content, str):
                member.linkname = content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def open_tar(path: Path, raw: bytes) -> TarFiles:
    path.write_bytes(raw)
    return TarFiles(path, where="here")


def content(files: TarFiles, name: str) -> bytes:
    with files.open(name) as (size, chunks):
        raw = b"".join(chunks)
    assert len(raw) == size
    return raw


MEMBERS: list[Member] = [
    ("./a", tarfile.REGTYPE, b"first"),
    ("a", tarfile.REGTYPE, b"last"),
    ("d", tarfile.DIRTYPE, b""),
    ("d/" + "x" * 150, tarfile.REGTYPE, b"long"),
    ("d/up", tarfile.SYMTYPE, "../a"),
    ("hard", tarfile.LNKTYPE, "d/up"),
    ("out", tarfile.SYMTYPE, "../../etc/passwd"),
    ("absolute", tarfile.SYMTYPE, "/etc/passwd"),
    ("loop", tarfile.SYMTYPE, "loop"),
    ("pipe", tarfile.FIFOTYPE, b""),
]


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_members_are_found_by_path_and_links_stay_inside(tmp_path: Path, kind: int) -> None:
    files = open_tar(tmp_path / "x.tar", tar_of(MEMBERS, kind=kind))
    for name in ("a", "./a", "d/up", "hard"):
        assert content(files, name) == b"last"
    assert content(files, "d/" + "x" * 150) == b"long"
    for name in ("out", "absolute", "loop", "d", "pipe", "none", "../a"):
        with pytest.raises(FileNotFoundError):
            content(files, name)


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_a_packed_archive_is_refused_with_the_way_to_unpack_it(tmp_path: Path, compression: Compression) -> None:
    packed = bytes(compressor(compression).pack(tar_of(MEMBERS)))
    with pytest.raises(StoreError, match=compression.value) as caught:
        open_tar(tmp_path / "x.tar", packed)
    assert f"< {tmp_path}/x.tar >" in str(caught.value.hint)


def test_what_is_not_there_or_no_tar_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        TarFiles(tmp_path / "none.tar", where="here")
    assert caught.value.where == str(tmp_path / "none.tar")
    for raw in (b"", b"text", bytes(100), os.urandom(2048)):
        with pytest.raises(IntegrityError, match="is no tar archive"):
            open_tar(tmp_path / "x.tar", raw)


@pytest.mark.parametrize("kind", ["pipe", "device", "directory"])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.tar"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")  # an archive without end, for whoever reads on behind its end
    else:
        path.mkdir()
    with pytest.raises(StoreError) as caught:
        TarFiles(path, where="here")
    assert str(path) in (caught.value.where or caught.value.what)


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    raw = tar_of([("a", tarfile.REGTYPE, bytes(5000))])
    with pytest.raises(IntegrityError):
        open_tar(tmp_path / "x.tar", raw[:2000])


def test_a_header_that_claims_a_huge_record_allocates_nothing(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2**62
    with pytest.raises(IntegrityError, match=str(2**62)):
        open_tar(tmp_path / "x.tar", header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


@pytest.mark.parametrize(
    "body", [b"1" * (1 << 20), b"1 " * (1 << 19), b"30 mtime=1\n" * 90_000], ids=["digits", "blanks", "records"]
)
def test_a_long_extended_header_takes_no_time(tmp_path: Path, body: bytes) -> None:
    """Python's tarfile takes the square of its length (CVE-2024-6232)."""
    extended = tarfile.TarInfo("pax")
    extended.type, extended.size = tarfile.XHDTYPE, len(body)
    raw = extended.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512) + tar_of([("a", tarfile.REGTYPE, b"x")])
    began = time.process_time()
    with suppress(IntegrityError):
        open_tar(tmp_path / "x.tar", raw)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("size", [1 << 40, 1 << 62, 1 << 80])
def test_contents_are_passed_over_and_not_read(tmp_path: Path, size: int) -> None:
    member = tarfile.TarInfo("large")
    member.size = size
    path, header = tmp_path / "x.tar", member.tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(header)
    if size < 1 << 50:
        os.truncate(path, len(header) + size)
        with path.open("ab") as file:
            file.write(tar_of([("behind", tarfile.REGTYPE, b"found")]))
        assert content(TarFiles(path, where="here"), "behind") == b"found"
    else:
        with pytest.raises(IntegrityError, match="is no tar archive"):
            TarFiles(path, where="here")


def test_an_archive_that_changes_while_it_is_open_is_noticed(tmp_path: Path) -> None:
    files = open_tar(tmp_path / "x.tar", tar_of([("a", tarfile.REGTYPE, b"one")]))
    (tmp_path / "x.tar").unlink()
    (tmp_path / "x.tar").write_bytes(tar_of([("a", tarfile.REGTYPE, b"two"), ("b", tarfile.REGTYPE, bytes(20000))]))
    with pytest.raises(StoreError, match="changed"):
        content(files, "a")


@given(st.lists(st.tuples(st.integers(0, 6 * 512 - 1), st.integers(0, 255)), max_size=8), st.integers(0, 6 * 512))
def test_damage_gives_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]], end: int
) -> None:
    raw = bytearray(
        tar_of([("a", tarfile.REGTYPE, b"one"), ("d/up", tarfile.SYMTYPE, "../a")], kind=tarfile.GNU_FORMAT)
    )
    for position, value in edits:
        raw[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.tar"
    with suppress(OcibuildError, FileNotFoundError):
        content(open_tar(path, bytes(raw[:end])), "a")


def write(path: Path, files: dict[str, list[bytes]]) -> bytes:
    with output_file(path) as file:
        archive = TarWriter(file)
        for name, chunks in files.items():
            archive.add(name, chunks)
        archive.finish()
    return path.read_bytes()


def test_a_tar_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    whole = write(tmp_path / "one.tar", {"a": [b"abcdef"], "b/c": []})
    assert whole == write(tmp_path / "two.tar", {"a": [b"abc", b"", b"def"], "b/c": [b""]})
    assert len(whole) % tarfile.RECORDSIZE == 0
    with tarfile.open(tmp_path / "one.tar") as tar:
        facts = [(m.name, m.size, m.mode, m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar]
    assert facts == [("a", 6, 0o644, 0, 0, 0, "", ""), ("b/c", 0, 0o644, 0, 0, 0, "", "")]
    assert content(TarFiles(tmp_path / "one.tar", where="here"), "a") == b"abcdef"


@pytest.mark.parametrize("size", [0, 8 * 1024**3 - 1, 8 * 1024**3, 2**40])
def test_a_header_is_one_block_whatever_the_size(size: int) -> None:
    block = header("blobs/sha256/" + "0" * 64, size)
    assert len(block) == tarfile.BLOCKSIZE
    assert tarfile.TarInfo.frombuf(block, "utf-8", "strict").size == size
