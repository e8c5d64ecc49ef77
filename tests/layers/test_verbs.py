"""The verbs that bring no file of their own, and what every verb shares: paths and places."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ocibuild.events import silent
from ocibuild.layers.build import build_layers
from ocibuild.oci.compression import compressor
from ocibuild.oci.digest import sha256
from ocibuild.oci.media_type import Compression
from ocibuild.plan import (
    KEEP,
    Attributes,
    Copy,
    Directory,
    Extract,
    ForeignLayer,
    Hardlink,
    Item,
    Remove,
    Replace,
    Symlink,
    Text,
)
from tests.layers.building import CREATED, KEEP_ALL, at, build, build_items, files_layer, refused
from tests.layers.memory_store import MemoryStore


def test_text(tmp_path: Path) -> None:
    layer = build_items(tmp_path, Text(b"hello\n", "/etc/motd"))
    assert layer.names == ["etc/", "etc/motd"]
    assert layer.content("etc/motd") == b"hello\n"
    motd = layer["etc/motd"]
    assert (motd.mode, motd.uid, motd.gid, motd.mtime, motd.uname, motd.gname) == (0o644, 0, 0, CREATED, "", "")


def test_an_empty_text_is_an_empty_file(tmp_path: Path) -> None:
    layer = build_items(tmp_path, Text(b"", "/empty"))
    assert layer["empty"].isreg()
    assert layer["empty"].size == 0


def test_a_text_larger_than_a_segment_is_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    assert build_items(tmp_path, Text(content, "/large")).content("large") == content


@pytest.mark.parametrize("target", ["/usr/local/bin/hello", "../lib/x y", "nowhere", "/é", "t" * 300])
def test_symlink_keeps_its_target_as_written(tmp_path: Path, target: str) -> None:
    link = build_items(tmp_path, Symlink(target, "/bin/hello"))["bin/hello"]
    assert link.issym()
    assert (link.linkname, link.mode, link.size) == (target, 0o777, 0)


def test_directory(tmp_path: Path) -> None:
    attributes = Attributes(owner=(65532, 65533), dir_mode=0o2750, mtime=7)
    found = build_items(tmp_path, Directory("/var/lib/app", attributes))["var/lib/app"]
    assert found.isdir()
    assert (found.uid, found.gid, found.mode, found.mtime) == (65532, 65533, 0o2750, 7)


def test_the_root_needs_no_entry(tmp_path: Path) -> None:
    layer = build_items(tmp_path, Directory("/"), Text(b"", "/a"))
    assert layer.names == ["a"]


def test_hardlink(tmp_path: Path) -> None:
    owner = Attributes(owner=(5, 6), file_mode=0o600)
    layer = build_items(tmp_path, Text(b"x", "/etc/motd", owner), Hardlink("/etc/motd", "/etc/passage"))
    link = layer["etc/passage"]
    assert (link.type, link.linkname, link.size) == (tarfile.LNKTYPE, "etc/motd", 0)
    assert (link.uid, link.gid, link.mode) == (5, 6, 0o600)


def test_remove_is_a_whiteout(tmp_path: Path) -> None:
    layer = build_items(tmp_path, Remove("/etc/nginx/conf.d/default.conf"), Remove("/opt"))
    assert layer.names == [".wh.opt", "etc/", "etc/nginx/", "etc/nginx/conf.d/", "etc/nginx/conf.d/.wh.default.conf"]
    whiteout = layer[".wh.opt"]
    assert (whiteout.isreg(), whiteout.size) == (True, 0)


def test_replace_is_an_opaque_directory_with_what_the_layer_puts_there(tmp_path: Path) -> None:
    doc = Attributes(dir_mode=0o700)
    layer = build_items(tmp_path, Text(b"new", "/usr/share/doc/README"), Replace("/usr/share/doc", doc))
    assert layer.names[-3:] == ["usr/share/doc/", "usr/share/doc/.wh..wh..opq", "usr/share/doc/README"]
    assert layer["usr/share/doc"].mode == 0o700


def test_the_root_can_be_replaced(tmp_path: Path) -> None:
    assert build_items(tmp_path, Replace("/"), Text(b"", "/a")).names == [".wh..wh..opq", "a"]


def test_a_layer_without_items_is_an_empty_tar(tmp_path: Path) -> None:
    assert build_items(tmp_path).tar == bytes(1024)


def test_a_foreign_layer_is_described_and_nothing_else() -> None:
    digest, diff_id = sha256(b"packed"), sha256(b"plain")
    plan = ForeignLayer("servercore", ("https://example.com/l",), digest, 10**10, diff_id)
    store = MemoryStore()
    built = build_layers([plan], store, jobs=1, emit=silent)[plan]
    assert store.blobs == {}
    assert built.diff_id == diff_id
    assert built.descriptor.to_json() == {
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": str(digest),
        "size": 10**10,
        "urls": ["https://example.com/l"],
    }


@pytest.mark.parametrize("written", ["/a//b/./c", "/a/b/c", "a/b/c", "//a/b/c/"])
def test_paths_of_the_image_are_normalised(tmp_path: Path, written: str) -> None:
    assert build_items(tmp_path, Directory(written)).names == ["a/", "a/b/", "a/b/c/"]


@pytest.mark.parametrize("path", ["/a/../b", "/..", "/a\0b", "/.wh.a", "/.wh.d/b", "/a/.wh..wh..opq", "/\ud800"])
@pytest.mark.parametrize(
    "item",
    [
        lambda path: Text(b"", path, origin=at(3)),
        lambda path: Symlink("x", path, origin=at(3)),
        lambda path: Hardlink("/x", path, origin=at(3)),
        lambda path: Directory(path, origin=at(3)),
        lambda path: Remove(path, origin=at(3)),
        lambda path: Replace(path, origin=at(3)),
        lambda path: Copy("f", path, origin=at(3)),
        lambda path: Copy("d", path, origin=at(3)),
        lambda path: Extract("a.tar", path, origin=at(3)),
    ],
    ids=["text", "symlink", "hardlink", "directory", "remove", "replace", "copy-file", "copy-directory", "extract"],
)
def test_paths_that_no_image_can_hold_are_refused(tmp_path: Path, item: object, path: str) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "d").mkdir()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "f", "f")
    error = refused(tmp_path, item(path))  # type: ignore[operator]
    assert "cannot be a path in an image" in error.what
    assert error.where == "ocibuild.yaml:3:5"


@pytest.mark.parametrize(
    "item", [Text(b"", "/", origin=at(2)), Symlink("a", "/", origin=at(2)), Remove("/", origin=at(2))]
)
def test_the_root_is_a_directory_and_stays(tmp_path: Path, item: Item) -> None:
    error = refused(tmp_path, item)
    assert "is the image's root" in error.what
    assert error.where == "ocibuild.yaml:2:5"


@pytest.mark.parametrize(
    ("item", "mode"),
    [(Text(b"", "/f", KEEP_ALL), 0o644), (Directory("/d", KEEP_ALL), 0o755), (Replace("/d", KEEP_ALL), 0o755)],
)
def test_keep_has_nothing_to_keep_where_there_is_no_source(tmp_path: Path, item: Item, mode: int) -> None:
    found = build_items(tmp_path, item).members[0]
    assert (found.mode, found.uid, found.gid, found.mtime) == (mode, 0, 0, CREATED)


@pytest.mark.parametrize("name", ["user.a=b", "user.a\0b", ""])
def test_attribute_names_that_a_tar_cannot_hold_are_refused(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, Text(b"", "/f", Attributes(xattrs=((name, b"v"),))))
    assert "whose name a tar cannot hold" in error.what


def test_set_attributes_are_for_files_and_directories_only(tmp_path: Path) -> None:
    attributes = Attributes(xattrs=(("user.note", b"\0\xff="),))
    items = Text(b"", "/f", attributes), Directory("/d", attributes), Symlink("f", "/l", attributes)
    layer = build_items(tmp_path, *items)
    found = {member.name: member.pax_headers.get("SCHILY.xattr.user.note") for member in layer.members}
    assert found == {"d": "\0\udcff=", "f": "\0\udcff=", "l": None}


def test_latest_mtime_bounds_what_is_kept_and_not_what_is_set(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    items = Copy("f", "/kept", attributes=Attributes(mtime=KEEP)), Text(b"", "/set", Attributes(mtime=2**31))
    layer = build_items(tmp_path, *items, latest_mtime=5)
    assert layer["kept"].mtime == 5
    assert layer["set"].mtime == 2**31


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZIP, Compression.ZSTD])
def test_compression_does_not_change_what_is_packed(tmp_path: Path, compression: Compression) -> None:
    items = Text(b"hello" * 1_000_000, "/a"), Text(b"x", "/b")
    plain = build(files_layer(tmp_path, *items))
    layer = build(files_layer(tmp_path, *items, compressor=compressor(compression)))
    assert layer.tar == plain.tar
    assert layer.built.diff_id == plain.built.diff_id
