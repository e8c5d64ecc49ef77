"""Our tar bytes: `tarfile` and our own reader read back what was written, and the bytes are fixed."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocibuild.layers.entries import Entry
from ocibuild.layers.tar import WRITER, header
from ocibuild.oci.tar_format import BLOCK, BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FILE, HARDLINK, SYMLINK, checksum
from ocibuild.oci.tar_reader import TarReader
from tests.layers.building import segments_of
from tests.layers.tar_entries import PATHS, TIMES, XATTRS, entries


def tar_of(*members: Entry) -> bytes:
    return b"".join(segment.load() for segment in segments_of(members))


def read_back(raw: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
        return tar.getmembers()


def said_by_tarfile(info: tarfile.TarInfo) -> dict[str, Any]:
    xattrs = {
        key.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape")
        for key, value in info.pax_headers.items()
        if key.startswith("SCHILY.xattr.")
    }
    return {
        "path": info.name.encode("utf-8", "surrogateescape"),
        "kind": info.type,
        "mode": info.mode,
        "uid": info.uid,
        "gid": info.gid,
        "mtime": info.mtime,
        "size": info.size,
        "link": info.linkname.encode("utf-8", "surrogateescape"),
        "device": (info.devmajor, info.devminor),
        "xattrs": xattrs,
    }


def said_by(entry: Entry) -> dict[str, Any]:
    names = ("path", "kind", "mode", "uid", "gid", "mtime", "size", "link", "device")
    return {**{name: getattr(entry, name) for name in names}, "xattrs": dict(entry.xattrs)}


@given(st.lists(entries(), max_size=4))
def test_tarfile_reads_what_was_written(members: list[Entry]) -> None:
    raw = tar_of(*members)
    assert [said_by_tarfile(info) for info in read_back(raw)] == [said_by(entry) for entry in members]
    assert all(info.uname == info.gname == "" for info in read_back(raw))
    assert len(raw) % BLOCK == 0
    assert raw.endswith(bytes(2 * BLOCK))


@given(st.lists(entries(), max_size=4), st.integers(1, 2000))
def test_our_reader_reads_what_was_written(members: list[Entry], chunk: int) -> None:
    raw = tar_of(*members)
    reader = TarReader((raw[start : start + chunk] for start in range(0, len(raw), chunk)), "t")
    found = [(member, b"".join(reader.content(member.size))) for member in reader]
    assert len(found) == len(members)
    for (member, content), entry in zip(found, members, strict=True):
        path = entry.path + b"/" if entry.kind == DIRECTORY else entry.path
        expected = {**said_by(entry), "path": path, "xattrs": entry.xattrs}
        assert member._asdict() == expected
        assert content == entry.content


@given(entries())
@example(Entry(b"\x7f" * 100, SYMLINK, 0o7777, 8**7 - 1, 8**7 - 1, 8**11 - 1, 8**11 - 1, b"\x7f" * 100))
@example(Entry(b"\xff" * 256, SYMLINK, 0o7777, 8**7, 8**7, 8**11, 8**11, b"\xff" * 256))
def test_the_checksum_of_every_header_is_the_sum_of_its_bytes(entry: Entry) -> None:
    raw = header(entry)
    blocks = [raw[-BLOCK:]] if len(raw) == BLOCK else [raw[:BLOCK], raw[-BLOCK:]]
    for block in blocks:
        blank = block[:148] + b" " * 8 + block[156:]
        assert int(block[148:154], 8) == sum(blank) == checksum(blank)
        assert block[154:156] == b"\0 "
        assert block.isascii()


@given(st.binary(min_size=BLOCK, max_size=BLOCK))
@example(b"\xff" * BLOCK)
@example(bytes(BLOCK))
def test_the_checksum_is_right_for_any_block(block: bytes) -> None:
    assert checksum(block) == sum(block)


def file(path: bytes, **facts: Any) -> Entry:
    return Entry(**{"path": path, "kind": FILE, "mode": 0o644, "uid": 0, "gid": 0, "mtime": 0, **facts})


def has_pax(entry: Entry) -> bool:
    return header(entry)[156:157] == b"x"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"a" * 100, False),
        (b"a" * 101, True),
        (b"p" * 155 + b"/" + b"n" * 100, False),
        (b"p" * 156 + b"/" + b"n" * 100, True),
        (b"p" * 155 + b"/" + b"n" * 101, True),
        (b"p" * 100 + b"/" + b"q" * 100 + b"/" + b"n" * 50, True),
        (b"p" * 50 + b"/" + b"q" * 100 + b"/" + b"n" * 50, False),
        (b"d/" * 127 + b"n", False),
        (b"d/" * 2000 + b"n", True),
        (b"a b", False),
        (b"new\nline", False),
        (b"tab\t\x7f", False),
        ("é".encode(), True),
        (b"\xff", True),
    ],
)
def test_a_pax_header_is_there_only_where_ustar_cannot_say_the_path(path: bytes, expected: bool) -> None:
    assert has_pax(file(path)) is expected
    assert read_back(tar_of(file(path)))[0].name.encode("utf-8", "surrogateescape") == path


@pytest.mark.parametrize(("size", "expected"), [(99, False), (100, True), (154, True)])
def test_the_slash_of_a_directory_counts(size: int, expected: bool) -> None:
    assert has_pax(file(b"d" * size, kind=DIRECTORY)) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"uid": 8**7 - 1}, False),
        ({"uid": 8**7}, True),
        ({"gid": 8**7}, True),
        ({"mtime": 8**11 - 1}, False),
        ({"mtime": 8**11}, True),
        ({"mtime": -1}, True),
        ({"size": 8**11 - 1}, False),
        ({"size": 8**11}, True),
        ({"kind": SYMLINK, "link": b"l" * 100}, False),
        ({"kind": SYMLINK, "link": b"l" * 101}, True),
        ({"kind": HARDLINK, "link": b"\xff"}, True),
        ({"xattrs": (("user.a", b""),)}, True),
    ],
)
def test_a_pax_header_is_there_only_where_ustar_cannot_say_it(facts: dict[str, Any], expected: bool) -> None:
    assert has_pax(file(b"f", **facts)) is expected


def test_a_file_of_more_than_8_gib() -> None:
    raw = header(file(b"f", size=10 << 30)) + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r|") as tar:
        assert tar.next().size == 10 << 30  # type: ignore[union-attr]
    member = next(iter(TarReader([raw], "t")))
    assert member.size == 10 << 30


@given(PATHS, PATHS, TIMES, XATTRS)
def test_a_pax_header_is_the_same_whenever_it_is_written(
    path: bytes, link: bytes, mtime: int, xattrs: dict[str, bytes]
) -> None:
    entry = file(path, kind=SYMLINK, link=link, mtime=mtime, xattrs=tuple(sorted(xattrs.items())))
    assert header(entry) == header(entry._replace(content=bytes(path)))


def test_records_of_names_that_are_no_utf8_are_marked_binary_before_them() -> None:
    body = header(file(b"\xff", uid=8**7, xattrs=(("user.a", b"\xfe"),)))[BLOCK:-BLOCK].rstrip(b"\0")
    keys = [b"hdrcharset=BINARY", b"SCHILY.xattr.user.a=\xfe", b"path=\xff", b"uid=2097152"]
    assert [line.partition(b" ")[2] for line in body.splitlines()] == keys
    assert b"hdrcharset" not in header(file("é".encode()))


@pytest.mark.parametrize("size", [*range(80, 110), *range(970, 1010), *range(9970, 10010)])
def test_a_record_counts_its_own_length(size: int) -> None:
    (info,) = read_back(tar_of(file(b"f", xattrs=(("user.a", b"v" * size),))))
    assert info.pax_headers == {"SCHILY.xattr.user.a": "v" * size}


# Golden: a change of any of these bytes changes the digest of every image, and makes WRITER 2.
GOLDEN = (
    file(b"dir", kind=DIRECTORY, mode=0o755),
    file(b"dir/file", size=3, content=b"abc", uid=1000, gid=1000, mtime=1_700_000_000),
    file(b"dir/hard", kind=HARDLINK, link=b"dir/file"),
    file(b"dir/link", kind=SYMLINK, mode=0o777, link=b"/etc/passwd"),
    file(b"null", kind=CHARACTER_DEVICE, device=(1, 3)),
    file(b"disk", kind=BLOCK_DEVICE, device=(8, 1)),
    file("größe".encode(), size=0),
    file(b"\xff", uid=3_000_000_000, mtime=-5, xattrs=(("security.capability", b"\0\1"), ("user.b", b"=\n"))),
    file(b"long/" * 60 + b"name"),
)


def test_the_bytes_of_writer_1() -> None:
    assert WRITER == 1
    raw = tar_of(*GOLDEN)
    assert hashlib.sha256(raw).hexdigest() == "9ef625fd4b491f1a2b50bbbeba913d0a6b0cd2e39f34b01c155fc484fb1b92d6"
    assert raw[:BLOCK] == (
        b"dir/".ljust(100, b"\0") + b"0000755\0" b"0000000\0" b"0000000\0" b"00000000000\0" b"00000000000\0" b"007763\0 " b"5"
        + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" b"0000000\0" + bytes(155 + 12)
    )  # fmt: skip
