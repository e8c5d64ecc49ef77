"""`extract`: members of a tar become entries, filtered and moved, without being unpacked."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from ocibuild.oci.media_type import Compression
from ocibuild.plan import Attributes, Copy, Extract, Text
from tests.layers.building import (
    WRITERS,
    at,
    build,
    build_items,
    files_layer,
    make_tar,
    packed,
    refused,
    tar_info,
    write_tree,
)

Members = list[tuple[str | tarfile.TarInfo, bytes]]


def halves(raw: bytes, pack: Callable[[bytes], bytes]) -> bytes:
    """`raw` packed as two units, joined."""
    return pack(raw[:700]) + pack(raw[700:])


PACKED: dict[str, Callable[[bytes], bytes]] = {
    **WRITERS,
    "tar.xz": lzma.compress,
    "two gzip members": lambda raw: halves(raw, gzip.compress),
    "two zstd frames": lambda raw: halves(raw, zstandard.ZstdCompressor().compress),
    "two xz streams": lambda raw: halves(raw, lzma.compress),
    "zstd with a skippable frame": lambda raw: b"\x50\x2a\x4d\x18\4\0\0\0meta" + zstandard.compress(raw),
}


@pytest.mark.parametrize("form", PACKED)
def test_every_packing(tmp_path: Path, form: str) -> None:
    make_tar(tmp_path / "plain", [("d/", b""), ("d/f", b"content" * 500), ("g", b"x")])
    (tmp_path / "archive").write_bytes(PACKED[form]((tmp_path / "plain").read_bytes()))
    layer = build_items(tmp_path, Extract("archive", "/opt"))
    assert layer.names == ["opt/", "opt/d/", "opt/d/f", "opt/g"]
    assert layer.content("opt/d/f") == b"content" * 500


@pytest.mark.parametrize("to", ["/", "/opt"])
@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_the_packing_of_the_archive_has_no_say_in_the_layer(tmp_path: Path, to: str, compression: Compression) -> None:
    members: Members = [(f"f{number}", bytes([number]) * 300_000) for number in range(9)]
    make_tar(tmp_path / "plain", [*members, ("large", bytes(range(256)) * 20_000)])
    digests = set()
    for pack in PACKED.values():
        (tmp_path / "archive").write_bytes(pack((tmp_path / "plain").read_bytes()))
        plan = files_layer(tmp_path, Extract("archive", to), compressor=packed(1, compression))
        digests.add(build(plan).built.descriptor.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_root_of_the_archive_becomes_the_target(tmp_path: Path, prefix: str) -> None:
    root = tar_info(".", tarfile.DIRTYPE, mode=0o711)
    make_tar(tmp_path / "a.tar", [(root, b""), (f"{prefix}d/f", b"")])
    at_root = build_items(tmp_path, Extract("a.tar", "/"))
    assert at_root.names == ["d/", "d/f"]
    below = build_items(tmp_path, Extract("a.tar", "/opt"))
    assert below.names == ["opt/", "opt/d/", "opt/d/f"]
    assert below["opt"].mode == 0o711


@pytest.mark.parametrize("name", ["/etc/passwd", "../f", "d/../../f", "d/..", ".."])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    make_tar(tmp_path / "a.tar", [("ok", b""), (tar_info(name, tarfile.REGTYPE), b"")])
    error = refused(tmp_path, Extract("a.tar", "/opt", origin=at(3)))
    assert error.what == f"'a.tar' holds {name!r}, which leads out of the archive"
    assert error.where == "ocibuild.yaml:3:5"


@pytest.mark.parametrize("link", ["/etc/passwd", "../f"])
def test_hard_links_that_lead_out_are_refused(tmp_path: Path, link: str) -> None:
    make_tar(tmp_path / "a.tar", [(tar_info("l", tarfile.LNKTYPE, link), b"")])
    assert "leads out of the archive" in refused(tmp_path, Extract("a.tar", "/")).what


def test_symbolic_links_lead_wherever_they_want(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [(tar_info("l", tarfile.SYMTYPE, "../../etc/passwd"), b"")])
    assert build_items(tmp_path, Extract("a.tar", "/"))["l"].linkname == "../../etc/passwd"


def test_nothing_is_put_through_a_symbolic_link(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [(tar_info("l", tarfile.SYMTYPE, "/etc"), b""), ("l/passwd", b"")])
    error = refused(tmp_path, Extract("a.tar", "/", origin=at(3)))
    assert error.what == "/l/passwd cannot be below /l, which is no directory in this layer"


def test_of_members_with_one_name_the_last_counts(tmp_path: Path) -> None:
    members: Members = [
        ("f", b"first"), ("d/", b""), ("./f", b"second"), (tar_info("d/", mode=0o700), b""), ("g", b"file"),
        (tar_info("g", tarfile.SYMTYPE, "f"), b""), ("d//h", b"1"), ("d/h", b"22"),
    ]  # fmt: skip
    make_tar(tmp_path / "a.tar", members)
    layer = build_items(tmp_path, Extract("a.tar", "/"))
    assert sorted(layer.names) == ["d/", "d/h", "f", "g"]
    assert (layer.content("f"), layer.content("d/h")) == (b"second", b"22")
    assert (layer["d"].mode, layer["g"].linkname) == (0o700, "f")


def test_hard_links_are_names_of_one_file(tmp_path: Path) -> None:
    members: Members = [
        ("z", b"zz"),
        (tar_info("a", tarfile.LNKTYPE, "z"), b""),
        (tar_info("m", tarfile.LNKTYPE, "./a"), b""),
    ]
    make_tar(tmp_path / "a.tar", members)
    layer = build_items(tmp_path, Extract("a.tar", "/opt"))
    assert [(m.name, m.linkname) for m in layer.members if m.islnk()] == [("opt/m", "opt/a"), ("opt/z", "opt/a")]
    assert layer.content("opt/a") == b"zz"


def test_a_hard_link_is_what_its_target_was_when_it_was_made(tmp_path: Path) -> None:
    """`tar --append` of a changed file: unpacked, the link still is the old one."""
    make_tar(tmp_path / "a.tar", [("f", b"old"), (tar_info("l", tarfile.LNKTYPE, "f"), b""), ("f", b"new!")])
    layer = build_items(tmp_path, Extract("a.tar", "/"))
    assert (layer.content("f"), layer.content("l")) == (b"new!", b"old")
    assert layer["l"].isreg()


@pytest.mark.parametrize("keeps", ["l", "f"])
def test_a_hard_link_outlives_its_target_being_left_out(tmp_path: Path, keeps: str) -> None:
    make_tar(tmp_path / "a.tar", [("f", b"content"), (tar_info("l", tarfile.LNKTYPE, "f"), b"")])
    layer = build_items(tmp_path, Extract("a.tar", "/", include=(keeps,)))
    assert layer.names == [keeps]
    assert layer.content(keeps) == b"content"


def test_a_hard_link_to_a_symbolic_link_is_another_one(tmp_path: Path) -> None:
    members = [(tar_info("s", tarfile.SYMTYPE, "x"), b""), (tar_info("l", tarfile.LNKTYPE, "s"), b"")]
    make_tar(tmp_path / "a.tar", members)
    assert build_items(tmp_path, Extract("a.tar", "/"))["l"].linkname == "x"


@pytest.mark.parametrize(("target", "reason"), [("z", "does not precede it"), ("d", "is a directory"), ("l", "does not precede it")])  # fmt: skip
def test_hard_links_to_nothing_are_refused(tmp_path: Path, target: str, reason: str) -> None:
    make_tar(tmp_path / "a.tar", [("d/", b""), (tar_info("l", tarfile.LNKTYPE, target), b""), ("z", b"")])
    error = refused(tmp_path, Extract("a.tar", "/", origin=at(3)))
    assert error.what == f"'a.tar' holds the hard link 'l' to {target!r}, which {reason}"
    assert error.where == "ocibuild.yaml:3:5"


def test_devices_and_fifos_are_kept(tmp_path: Path) -> None:
    null = tar_info("dev/null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
    disk = tar_info("dev/sda", tarfile.BLKTYPE, mode=0o660, devmajor=8, devminor=2**20 - 1)
    make_tar(tmp_path / "a.tar", [(null, b""), (disk, b""), (tar_info("run/fifo", tarfile.FIFOTYPE), b"")])
    layer = build_items(tmp_path, Extract("a.tar", "/"))
    assert (layer["dev/null"].ischr(), layer["dev/null"].devmajor, layer["dev/null"].devminor) == (True, 1, 3)
    assert (layer["dev/sda"].isblk(), layer["dev/sda"].devminor) == (True, 2**20 - 1)
    assert layer["run/fifo"].isfifo()


@pytest.mark.parametrize("name", [".wh.gone", "d/.wh..wh..opq", ".wh.d/f"])
def test_whiteouts_are_refused_unless_they_are_left_out(tmp_path: Path, name: str) -> None:
    make_tar(tmp_path / "a.tar", [("f", b""), (name, b"")])
    error = refused(tmp_path, Extract("a.tar", "/", origin=at(3)))
    assert error.what == f"'a.tar' holds the whiteout {name!r}"
    assert "`archive:`" in str(error.hint)
    assert build_items(tmp_path, Extract("a.tar", "/", exclude=(".wh.*",))).names == ["f"]


def test_directories_that_hold_what_is_included_come_with_their_attributes(tmp_path: Path) -> None:
    private = tar_info("home/", mode=0o711, uid=7)
    make_tar(tmp_path / "a.tar", [(private, b""), ("home/f", b""), ("home/g", b""), ("usr/", b"")])
    layer = build_items(tmp_path, Extract("a.tar", "/", include=("f",)))
    assert layer.names == ["home/", "home/f"]
    assert (layer["home"].mode, layer["home"].uid) == (0o711, 7)


@pytest.mark.parametrize(("include", "exclude"), [(("*.exe",), ()), ((), ("*",)), (("f",), ("f",))])
def test_patterns_that_leave_nothing_are_refused(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...]
) -> None:
    make_tar(tmp_path / "a.tar", [("d/", b""), ("f", b"")])
    error = refused(tmp_path, Extract("a.tar", "/", include, exclude, origin=at(3)))
    assert error.what == "nothing in 'a.tar' is left to extract"
    assert error.where == "ocibuild.yaml:3:5"


def test_an_archive_of_nothing_is_refused(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [])
    assert refused(tmp_path, Extract("a.tar", "/")).what == "nothing in 'a.tar' is left to extract"


def test_one_archive_may_be_extracted_by_several_items(tmp_path: Path) -> None:
    members: Members = [("f", b"ff"), (tar_info("l", tarfile.LNKTYPE, "f"), b""), ("g", b"gg"), ("h", b"h" * 2_000_000)]
    make_tar(tmp_path / "a.tar", members)
    owner = Attributes(owner=(9, 9))
    items = (
        Extract("a.tar", "/x", exclude=("l",)),
        Extract("a.tar", "/x", include=("l",), attributes=owner),
        Extract("a.tar", "/a"),
    )
    layer = build_items(tmp_path, *items)
    for name, content in {"x/f": b"ff", "x/g": b"gg", "a/g": b"gg", "x/h": b"h" * 2_000_000, "x/l": b"ff"}.items():
        assert layer.content(name) == content
    assert (layer["x/l"].uid, layer["x/f"].uid) == (9, 0)
    assert [(m.name, m.linkname) for m in layer.members if m.islnk()] == [("a/l", "a/f")]


def test_several_archives_and_files_beside_each_other(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tree/k": "kk"})
    for name in ("b.tar", "a.tar"):
        make_tar(tmp_path / name, [(f"{name}/2", b"22" + name.encode()), (f"{name}/1", b"11" + name.encode())])
    items = Extract("b.tar", "/"), Copy("tree", "/"), Extract("a.tar", "/"), Text(b"t", "/zz")
    layer = build_items(tmp_path, *items)
    assert layer.names == ["a.tar/", "b.tar/", "k", "zz", "b.tar/2", "b.tar/1", "a.tar/2", "a.tar/1"]
    assert layer.content("a.tar/1") == b"11a.tar"
    assert layer.content("b.tar/2") == b"22b.tar"


def test_names_longer_than_any_path_are_refused(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [("d/" * 2048 + "f", b"")])
    assert "a name of 4097 bytes" in refused(tmp_path, Extract("a.tar", "/")).what
    make_tar(tmp_path / "a.tar", [("d/" * 2047 + "f", b"")])
    assert len(build_items(tmp_path, Extract("a.tar", "/")).names) == 2048


def damaged(raw: bytes, how: str) -> bytes:
    match how:
        case "cut in half":
            return raw[: len(raw) // 2]
        case "last byte missing":
            return raw[:-1]
        case "checksum wrong":
            return raw[:-8] + bytes([raw[-8] ^ 1]) + raw[-7:]
        case "bit flipped":
            middle = len(raw) // 2
            return raw[:middle] + bytes([raw[middle] ^ 0x10]) + raw[middle + 1 :]
        case "junk behind":
            return raw + b"junk"
    raise AssertionError(how)


@pytest.mark.parametrize("how", ["cut in half", "last byte missing", "checksum wrong", "bit flipped", "junk behind"])
@pytest.mark.parametrize("form", ["tar.gz", "tar.zst", "tar.xz"])
def test_damage_is_seen_wherever_it_is(tmp_path: Path, form: str, how: str) -> None:
    pack = zstandard.ZstdCompressor(write_checksum=True).compress if form == "tar.zst" else PACKED[form]
    make_tar(tmp_path / "plain", [("f", bytes(range(256)) * 100)])
    (tmp_path / "archive").write_bytes(damaged(pack((tmp_path / "plain").read_bytes()), how))
    error = refused(tmp_path, Extract("archive", "/", origin=at(3)))
    assert error.what.startswith("'archive' ")
    assert error.where == "ocibuild.yaml:3:5"


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"hello world\n" * 100, gzip.compress(b"hello", mtime=0), b"\x1f\x8b", b"(\xb5/\xfd"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(raw)
    error = refused(tmp_path, Extract("a.tar", "/", origin=at(3)))
    assert error.what.startswith("'a.tar' ")
    assert error.where == "ocibuild.yaml:3:5"


def test_messages_show_no_control_characters(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", [("../\x1b]0;\n\u202e", b"")])
    assert refused(tmp_path, Extract("a.tar", "/")).what.isprintable()


def test_a_sparse_member_names_the_archive_and_the_file(tmp_path: Path) -> None:
    info = tar_info("disk.img", tarfile.GNUTYPE_SPARSE)
    buffer = io.BytesIO(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())
    error = refused(tmp_path, Extract("a.tar", "/", origin=at(3)))
    assert error.what == "'a.tar': disk.img is stored as a sparse file"
    assert error.hint == "write the archive without --sparse"
