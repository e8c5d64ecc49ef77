"""Archives made by others: `tarfile` and the real tar write what our reader reads; what is no whole tar is refused."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocibuild.errors import SourceError
from ocibuild.oci.tar_format import BLOCK, DIRECTORY, FILE, HARDLINK, SYMLINK
from ocibuild.oci.tar_reader import Member, TarReader
from tests.layers.building import make_tar, tar_info, write_tree
from tests.layers.tar_entries import KINDS
from tests.oci.chunks import cuts
from tests.peers.programs import call

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def read(raw: bytes) -> list[tuple[Member, bytes]]:
    reader = TarReader([raw], "'a.tar'")
    return [(member, b"".join(reader.content(member.size))) for member in reader]


def refusal(raw: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        read(raw)
    assert caught.value.hint
    return caught.value.what


def names(low: int = 1, high: int = 260) -> st.SearchStrategy[str]:
    letters = st.sampled_from(["a", "é", "\udcff", " ", "/", "z"])
    return st.text(letters, min_size=low, max_size=high).map(lambda text: text.strip("/") or "x")


@st.composite
def infos(draw: st.DrawFn, ascii_only: bool = False) -> tuple[tarfile.TarInfo, bytes]:
    kind = draw(KINDS)
    short = st.text(st.sampled_from(["a", " ", "z"]), min_size=1, max_size=90)
    info = tar_info(draw(short if ascii_only else names()), kind)
    big = 8**7 - 1 if ascii_only else 2**40
    info.uid, info.gid = draw(st.integers(0, big)), draw(st.integers(0, big))
    info.mode = draw(st.integers(0, 0o7777))
    info.mtime = draw(st.integers(0, 8**11 - 1) if ascii_only else st.integers(-(2**33), 2**40))
    info.linkname = draw(short if ascii_only else names()) if kind in (HARDLINK, SYMLINK) else ""
    info.uname = draw(st.sampled_from(["", "root"]))
    return info, draw(st.binary(max_size=1500)) if kind == FILE else b""


@settings(max_examples=150)
@given(st.data(), st.sampled_from(sorted(FORMATS)))
def test_what_tarfile_writes(data: st.DataObject, form: str) -> None:
    members = data.draw(st.lists(infos(ascii_only=form == "ustar"), max_size=4))
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=FORMATS[form], encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    reader = TarReader(data.draw(cuts(buffer.getvalue())), "t")
    found = [(member, b"".join(reader.content(member.size))) for member in reader]
    assert len(found) == len(members)
    for (member, content), (info, expected) in zip(found, members, strict=True):
        assert content == expected
        assert os.fsdecode(member.path).rstrip("/") == info.name
        assert os.fsdecode(member.link) == info.linkname
        assert (member.kind, member.mode, member.uid, member.gid) == (info.type, info.mode, info.uid, info.gid)
        assert member.mtime == info.mtime


def tree(root: Path) -> Path:
    write_tree(root, {"dir/file": "content", "empty": "", "sub/": "", "large": b"x" * 100_000})
    (root / "link").symlink_to("dir/file")
    os.link(root / "dir/file", root / "second")
    os.mkfifo(root / "fifo")
    return root


@pytest.mark.peer("tar")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_the_real_tar_writes(tmp_path: Path, form: str) -> None:
    source = tree(tmp_path / "tree")
    extra = {"a": "n" * 90} if form in ("v7", "ustar") else {"n" * 101 + "/" + "m" * 156: "long", "größe": "x"}
    write_tree(source, dict.fromkeys(extra, "long"))
    if form == "ustar":
        write_tree(source, {"/".join(("p" * 70, "q" * 70, "n" * 95)): ""})
    if form == "v7":
        (source / "fifo").unlink()  # v7 knows only files and links
    call("tar", f"--format={form}", "--sort=name", "--mtime=@1234567890", "-C", source, "-cf", tmp_path / "a.tar", ".")
    found = {
        os.fsdecode(member.path).rstrip("/"): (member, body) for member, body in read((tmp_path / "a.tar").read_bytes())
    }
    expected = {f"./{path.relative_to(source)}" for path in source.rglob("*")} | {"."}
    assert set(found) == expected
    for name, (member, body) in found.items():
        path = source / name
        assert member.mtime == 1234567890
        assert (member.mode, member.uid) == (path.lstat().st_mode & 0o7777, path.lstat().st_uid)
        assert (member.kind == DIRECTORY) == (path.is_dir() and not path.is_symlink())
        assert member.kind != FILE or body == path.read_bytes()
    assert {(m.path, m.link) for m, _ in found.values() if m.kind == HARDLINK} == {(b"./second", b"./dir/file")}
    assert found["./link"][0].link == b"dir/file"


@pytest.mark.peer("tar")
def test_large_ids_and_xattrs_of_the_real_tar(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "tree", {"f": "x"})
    try:
        os.setxattr(source / "f", "user.note", b"\0v=\xff")
    except OSError as error:
        pytest.skip(str(error))
    options = ("--owner=:3000000000", "--group=:2097152", "--mtime=1901-12-13 20:45:52 UTC")
    call("tar", "--format=posix", "--xattrs", *options, "-C", source, "-cf", tmp_path / "pax.tar", "f")
    call("tar", "--format=gnu", *options, "-C", source, "-cf", tmp_path / "gnu.tar", "f")
    for name in ("pax.tar", "gnu.tar"):
        ((member, _),) = read((tmp_path / name).read_bytes())
        assert (member.uid, member.gid, member.mtime) == (3_000_000_000, 2097152, -(2**31))
    ((member, _),) = read((tmp_path / "pax.tar").read_bytes())
    assert member.xattrs == (("user.note", b"\0v=\xff"),)


@pytest.mark.peer("tar")
@pytest.mark.parametrize("form", ["gnu", "posix"])
@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
def test_sparse_files_are_refused(tmp_path: Path, form: str, version: str) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.seek(10_000_000)
        file.write(b"x")
    options = (f"--format={form}", "--sparse", *((f"--sparse-version={version}",) if form == "posix" else ()))
    call("tar", *options, "-C", tmp_path, "-cf", tmp_path / "a.tar", "holes")
    message = refusal((tmp_path / "a.tar").read_bytes())
    assert message.endswith("is stored as a sparse file")
    assert "holes" in message


@pytest.mark.peer("tar")
def test_kinds_that_only_tar_knows_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    call("tar", "--label=backup", "-C", tmp_path, "-cf", tmp_path / "a.tar", "f")
    assert refusal((tmp_path / "a.tar").read_bytes()) == "'a.tar': backup is of the unknown kind b'V'"


def test_global_headers_are_passed_over(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [("f", b"x")], pax_headers={"comment": "0123", "mtime": "17"})
    assert [member.path for member, _ in read((tmp_path / "a.tar").read_bytes())] == [b"f"]


def small_tar(*members: tarfile.TarInfo | str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members or ("f",):
            info = tar_info(member) if isinstance(member, str) else member
            info.size = 0 if info.type != tarfile.REGTYPE else 600
            tar.addfile(info, io.BytesIO(b"c" * 600))
    return buffer.getvalue()


def with_field(raw: bytes, start: int, value: bytes) -> bytes:
    """The first header of `raw` with another value at `start`, and the checksum that makes it valid."""
    block = raw[:start] + value + raw[start + len(value) : BLOCK]
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:] + raw[BLOCK:]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1000, 1024, 1535])
def test_an_archive_that_is_cut_short_is_refused(size: int) -> None:
    assert "it ends before the mark that ends an archive" in refusal(small_tar()[:size])


def test_one_block_of_zeros_is_an_end(tmp_path: Path) -> None:
    assert len(read(small_tar()[:2048])) == 1
    assert read(bytes(512)) == []


@pytest.mark.parametrize("raw", [b"hello" * 300, os.urandom(2048), b"\x7fELF" + bytes(2000), b"PK\3\4" * 500])
def test_what_is_no_tar_is_refused(raw: bytes) -> None:
    assert refusal(raw).startswith("'a.tar' is no tar archive, or is damaged: ")


@given(st.integers(0, BLOCK - 1), st.integers(1, 255))
def test_every_change_of_a_header_is_seen(position: int, change: int) -> None:
    raw = bytearray(small_tar())
    raw[position] ^= change
    try:
        read(bytes(raw))
    except SourceError:
        return
    assert 148 <= position < 156  # blanks and zeros around the checksum are interchangeable


def test_what_follows_the_end_is_padding_or_an_error() -> None:
    assert len(read(small_tar() + bytes(100_000))) == 1
    message = refusal(small_tar() + small_tar())
    assert message == "'a.tar' goes on behind its end, where readers stop"
    assert "goes on behind its end" in refusal(small_tar() + bytes(5000) + b"x")


def test_the_stream_is_read_to_its_end() -> None:
    """Only then does whoever unpacks it see the checksum at its end."""
    seen: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            seen.append(number)
            yield small_tar() if number == 0 else bytes(512)

    assert len(list(TarReader(chunks(), "t"))) == 1
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("start", "value"),
    [
        (124, b"-0000000001\0"),
        (124, b"+0000000001\0"),
        (124, b"0x000000001\0"),
        (124, b"0o000000001\0"),
        (124, b"0_000000001\0"),
        (124, b"00000000 01\0"),
        (124, b"00000000019\0"),
        (124, b"\xff" * 12),
        (108, b"\xff" * 8),
        (116, b"-000001\0"),
        (100, b"rwxr-xr\0"),
        (136, b"yesterday!!\0"),
    ],
)
def test_numbers_that_are_none_are_refused(start: int, value: bytes) -> None:
    assert "no tar archive, or is damaged" in refusal(with_field(small_tar(), start, value))


@pytest.mark.parametrize(
    ("value", "mtime"),
    [
        (b"       1234 ", 0o1234),
        (b"1234\0junk!!!", 0o1234),
        (bytes(12), 0),
        (b" " * 12, 0),
        (b"777777777777", 8**12 - 1),
        (b"\x80" + bytes(10) + b"\7", 7),
        (b"\xff" * 12, -1),
        (b"\xff" * 8 + b"\xfe\xff\xff\xff", -16777217),
    ],
)
def test_numbers_as_old_and_gnu_tars_write_them(value: bytes, mtime: int) -> None:
    assert read(with_field(small_tar(), 136, value))[0][0].mtime == mtime


@pytest.mark.parametrize(("kind", "slash", "expected"), [(b"\0", "", FILE), (b"\0", "/", DIRECTORY), (b"0", "/", DIRECTORY), (b"7", "", FILE)])  # fmt: skip
def test_regular_files_have_three_names_and_a_slash_makes_a_directory(kind: bytes, slash: str, expected: bytes) -> None:
    info = tar_info("name")
    info.size = 0
    raw = info.tobuf(tarfile.USTAR_FORMAT)
    raw = with_field(with_field(raw, 0, b"name" + slash.encode()), 156, kind)
    assert read(raw + bytes(1024))[0][0].kind == expected


def test_sizes_of_what_has_no_content_mean_nothing() -> None:
    link = tar_info("l", tarfile.LNKTYPE, "f")
    raw = with_field(link.tobuf(tarfile.USTAR_FORMAT), 124, b"00000001130\0")
    assert [member.kind for member, _ in read(raw + small_tar())] == [HARDLINK, FILE]


def test_devices_that_no_header_can_hold_are_refused() -> None:
    info = tar_info("d", tarfile.CHRTYPE)
    raw = info.tobuf(tarfile.USTAR_FORMAT)
    assert "there is no device" in refusal(with_field(raw, 329, b"\x80\xff\xff\xff\xff\xff\xff\xff") + bytes(1024))
    assert "there is no device" in refusal(with_field(raw, 337, b"\xff" * 8) + bytes(1024))


def pax_tar(*records: bytes, body: bytes | None = None) -> bytes:
    return pax_header(b"".join(records) if body is None else body) + small_tar()


def pax_header(raw: bytes) -> bytes:
    info = tar_info("pax", b"x")
    info.size = len(raw)
    return info.tobuf(tarfile.USTAR_FORMAT) + raw + bytes(-len(raw) % BLOCK)


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"7 a=bc",
        b"6 a=bc\n",
        b"8 a=bc\n",
        b"99999 a=bc\n",
        b"99999999999999999999 a=b\n",
        b"-7 a=bc\n",
        b"0 a=bc\n",
        b"2 \n",
        b"6 abc\n",
        b" 7 a=bc\n",
        b"7\ta=bc\n",
        b"12 path=a\0b\n",
        b"16 linkpath=a\0b\n",
        b"9 uid=-1\n",
        b"10 size=-1\n",
        b"9 gid=1x\n",
        b"12 mtime=1e9\n",
        b"11 mtime=--\n",
        b"36 mtime=1234567890123456789012345\n",
    ],
)
def test_extended_headers_that_are_malformed_are_refused(body: bytes) -> None:
    assert "no tar archive, or is damaged" in refusal(pax_tar(body=body))


@pytest.mark.parametrize(
    ("record", "field", "expected"),
    [
        (b"17 mtime=12345.6\n", "mtime", 12345),
        (b"13 mtime=-12\n", "mtime", -12),
        (b"9 mtime=\n", "mtime", 0),
        (b"8 path=\n", "path", b"f"),
        (b"13 path=dir/f\n", "path", b"dir/f"),
        (b"18 uid=4294967295\n", "uid", 2**32 - 1),
        (b"13 uname=root\n", "uid", 0),
        (b"24 SCHILY.xattr.user.a=\n", "xattrs", (("user.a", b""),)),
    ],
)
def test_extended_headers(record: bytes, field: str, expected: object) -> None:
    (found,) = read(pax_tar(record.replace(record.split()[0], str(len(record)).encode())))
    assert getattr(found[0], field) == expected


def test_extended_headers_count_for_one_member(tmp_path: Path) -> None:
    raw = pax_tar(b"9 path=x\n") + small_tar()
    first = pax_tar(b"9 path=x\n")[:-10240] + small_tar("f", "g")
    assert [member.path for member, _ in read(first)] == [b"x", b"g"]
    assert "goes on" in refusal(raw)


def test_extended_headers_are_bounded() -> None:
    info = tar_info("pax", b"x")
    info.size = 1 << 40
    assert "extended headers of 1099511627776 bytes" in refusal(info.tobuf(tarfile.GNU_FORMAT) + small_tar())


def test_extended_headers_are_bounded_together() -> None:
    """Each may be small, and say something else than those before it."""

    def headers(count: int) -> bytes:
        return b"".join(pax_header(b"8192 a%04d=" % number + b"x" * 8180 + b"\n") for number in range(count))

    assert len(read(headers(100) + small_tar())) == 1
    assert "at most 1048576 are read" in refusal(headers(129) + small_tar())
    member = small_tar()[: 3 * BLOCK]
    assert len(read((headers(100) + member) * 3 + small_tar())) == 4


def test_very_many_records_take_linear_time() -> None:
    record = b"7 a=bc\n"
    assert len(read(pax_tar(body=record * 140_000))) == 1


@settings(max_examples=300)
@given(st.binary(max_size=3000), st.booleans())
@example(b"", True)
def test_nothing_but_a_source_error_comes_of_any_bytes(junk: bytes, behind_a_header: bool) -> None:
    raw = pax_tar(body=junk) if behind_a_header else junk
    with suppress(SourceError):
        read(raw)


@settings(max_examples=300)
@given(st.data())
def test_nothing_but_a_source_error_comes_of_any_header(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, 500))
    value = data.draw(st.binary(max_size=BLOCK - start))
    raw = with_field(small_tar("a", "b"), start, value)
    try:
        members = read(raw)
    except SourceError:
        return
    assert all(member.size >= 0 and member.uid >= 0 and member.gid >= 0 for member, _ in members)


def test_what_bsdtar_writes(tmp_path: Path) -> None:
    if shutil.which("bsdtar") is None:
        pytest.skip("bsdtar is not among the peers; where it is there, it is read too")
    source = tree(tmp_path / "tree")
    call("bsdtar", "--format=pax", "-C", source, "-cf", tmp_path / "a.tar", ".")
    found = {member.path.rstrip(b"/") for member, _ in read((tmp_path / "a.tar").read_bytes())}
    assert found == {b"."} | {os.fsencode(f"./{path.relative_to(source)}") for path in source.rglob("*")}
