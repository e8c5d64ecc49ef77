"""Owner, modes, times and extended attributes: by default, kept and set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ocibuild.plan import KEEP, Attributes, Copy, Directory, Extract, Text
from tests.layers.building import CREATED, KEEP_ALL, build_items, build_tree, make_tar, refused, tar_info, write_tree
from tests.peers.programs import call, require, require_root

CAPABILITY = "security.capability"


def give(path: Path, *, mode: int, mtime: float = 0.0) -> Path:
    path.chmod(mode)
    os.utime(path, (mtime, mtime))
    return path


@pytest.mark.parametrize(
    ("on_disk", "by_default", "kept"),
    [
        (0o600, 0o644, 0o600),
        (0o664, 0o644, 0o664),
        (0o444, 0o644, 0o444),
        (0o700, 0o755, 0o700),
        (0o775, 0o755, 0o775),
        (0o655, 0o644, 0o655),
        (0o4755, 0o755, 0o4755),
        (0o2755, 0o755, 0o2755),
        (0o6700, 0o755, 0o6700),
    ],
)
def test_modes_of_files(tmp_path: Path, on_disk: int, by_default: int, kept: int) -> None:
    give(write_tree(tmp_path, {"f": ""}) / "f", mode=on_disk)
    assert build_tree(tmp_path)["f"].mode == by_default
    assert build_tree(tmp_path, Attributes(file_mode=KEEP))["f"].mode == kept
    assert build_tree(tmp_path, Attributes(file_mode=0o2640))["f"].mode == 0o2640


@pytest.mark.parametrize("on_disk", [0o700, 0o775, 0o1777, 0o2755])
def test_modes_of_directories(tmp_path: Path, on_disk: int) -> None:
    give(write_tree(tmp_path, {"d/": ""}) / "d", mode=on_disk)
    assert build_tree(tmp_path)["d"].mode == 0o755
    assert build_tree(tmp_path, Attributes(dir_mode=KEEP))["d"].mode == on_disk
    assert build_tree(tmp_path, Attributes(dir_mode=0o711))["d"].mode == 0o711


def test_the_mode_of_an_item_is_for_the_file_and_nothing_else(tmp_path: Path) -> None:
    write_tree(tmp_path, {"f": ""})
    item = Copy("f", "/f", mode=0o4511, attributes=Attributes(file_mode=0o600, dir_mode=0o700))
    assert build_items(tmp_path, item)["f"].mode == 0o4511


@pytest.mark.parametrize(
    ("mtime", "expected"), [(1.9, 1), (-1.5, -2), (2**31 + 0.5, 2**31), (2**33 + 1, 2**33 + 1), (-(2**40), -(2**40))]
)
def test_times_are_whole_seconds(tmp_path: Path, mtime: float, expected: int) -> None:
    give(write_tree(tmp_path, {"f": ""}) / "f", mode=0o644, mtime=mtime)
    if int((tmp_path / "f").stat().st_mtime // 1) != expected:
        pytest.skip("this file system cannot hold that time")
    assert build_tree(tmp_path)["f"].mtime == CREATED
    kept = build_tree(tmp_path, Attributes(mtime=KEEP))["f"]
    assert kept.mtime == expected
    assert isinstance(kept.mtime, int) or float(kept.mtime).is_integer()
    assert build_tree(tmp_path, Attributes(mtime=17))["f"].mtime == 17


@pytest.mark.parametrize(("latest", "expected"), [(None, [5, 50, 500]), (50, [5, 50, 50]), (0, [0, 0, 0])])
def test_source_date_epoch_bounds_the_times_that_are_kept(
    tmp_path: Path, latest: int | None, expected: list[int]
) -> None:
    write_tree(tmp_path, {"a": "", "d/": "", "l": ""})
    (tmp_path / "l").unlink()
    (tmp_path / "l").symlink_to("a")
    for name, mtime in (("a", 5), ("d", 50), ("l", 500)):
        os.utime(tmp_path / name, (mtime, mtime), follow_symlinks=False)
    layer = build_tree(tmp_path, Attributes(mtime=KEEP), latest_mtime=latest)
    assert [member.mtime for member in layer.members] == expected


def test_owners(tmp_path: Path) -> None:
    require_root()
    write_tree(tmp_path, {"f": "", "d/": ""})
    (tmp_path / "l").symlink_to("f")
    for name in ("f", "d", "l"):
        os.chown(tmp_path / name, 1234, 3_000_000_000, follow_symlinks=False)
    for attributes, owner in (
        (Attributes(), (0, 0)),
        (Attributes(owner=KEEP), (1234, 3_000_000_000)),
        (Attributes(owner=(65532, 7)), (65532, 7)),
    ):
        layer = build_tree(tmp_path, attributes)
        assert {(member.uid, member.gid) for member in layer.members} == {owner}


def xattrs_of(tmp_path: Path, attributes: Attributes, name: str = "f") -> dict[str, bytes]:
    headers = build_tree(tmp_path, attributes)[name].pax_headers
    prefix = "SCHILY.xattr."
    return {
        key.removeprefix(prefix): value.encode("utf-8", "surrogateescape")
        for key, value in headers.items()
        if key.startswith(prefix)
    }


def set_xattr(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        pytest.skip(f"this file system holds no {name}: {error.strerror}")


def test_extended_attributes_of_users_are_kept_on_demand(tmp_path: Path) -> None:
    write_tree(tmp_path, {"f": "", "d/": ""})
    set_xattr(tmp_path / "f", "user.b", b"")
    set_xattr(tmp_path / "f", "user.a", b"\0binary\xff=\n")
    set_xattr(tmp_path / "d", "user.d", b"on a directory")
    assert xattrs_of(tmp_path, Attributes()) == {}
    kept = Attributes(xattrs=KEEP)
    assert list(xattrs_of(tmp_path, kept).items()) == [("user.a", b"\0binary\xff=\n"), ("user.b", b"")]
    assert xattrs_of(tmp_path, kept, "d") == {"user.d": b"on a directory"}
    assert xattrs_of(tmp_path, Attributes(xattrs=(("user.c", b"set"),))) == {"user.c": b"set"}
    assert xattrs_of(tmp_path, Attributes(xattrs=())) == {}


def test_those_of_the_copied_directory_and_of_a_single_file_too(tmp_path: Path) -> None:
    write_tree(tmp_path, {"d/f": ""})
    set_xattr(tmp_path / "d", "user.d", b"directory")
    set_xattr(tmp_path / "d/f", "user.f", b"file")
    kept = Attributes(xattrs=KEEP)
    layer = build_items(tmp_path, Copy("d", "/x", attributes=kept), Copy("d/f", "/y", attributes=kept))
    assert layer["x"].pax_headers == {"SCHILY.xattr.user.d": "directory"}
    assert layer["y"].pax_headers == {"SCHILY.xattr.user.f": "file"}


def test_attributes_of_the_machine_are_not_kept(tmp_path: Path) -> None:
    require_root()
    write_tree(tmp_path, {"f": ""})
    set_xattr(tmp_path / "f", "trusted.machine", b"x")
    assert xattrs_of(tmp_path, Attributes(xattrs=KEEP)) == {}


@pytest.mark.parametrize("name", [b"user.a=b", b"user.=", b"user.a=\xff"])
def test_names_that_a_tar_cannot_hold_are_refused_and_not_dropped(tmp_path: Path, name: bytes) -> None:
    write_tree(tmp_path, {"f": ""})
    set_xattr(tmp_path / "f", os.fsdecode(name), b"v")
    error = refused(tmp_path, Copy(".", "/", attributes=Attributes(xattrs=KEEP)))
    assert error.what.startswith(f"{tmp_path}/f has the extended attribute 'user.")
    assert build_tree(tmp_path).names == ["f"]


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    write_tree(tmp_path, {"f": ""})
    set_xattr(tmp_path / "f", os.fsdecode(b"user.\xff"), b"v")
    assert b" SCHILY.xattr.user.\xff=v\n" in build_tree(tmp_path, Attributes(xattrs=KEEP)).tar


def test_file_capabilities_are_kept_on_demand(tmp_path: Path) -> None:
    require_root()
    require("setcap")
    write_tree(tmp_path, {"f": ""})
    call("setcap", "cap_net_bind_service=ep", tmp_path / "f")
    value = os.getxattr(tmp_path / "f", CAPABILITY)
    assert xattrs_of(tmp_path, Attributes()) == {}
    assert xattrs_of(tmp_path, Attributes(xattrs=KEEP)) == {CAPABILITY: value}
    layer = build_items(tmp_path, Text(b"", "/g", Attributes(xattrs=((CAPABILITY, value),))))
    assert layer["g"].pax_headers[f"SCHILY.xattr.{CAPABILITY}"].encode("utf-8", "surrogateescape") == value


CUSTOMARY = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "var": 0o755, "opt/tmp": 0o755}


@pytest.mark.parametrize("name", CUSTOMARY)
def test_directories_that_every_base_has_keep_the_mode_they_have_there(tmp_path: Path, name: str) -> None:
    """An upper directory replaces the lower one's mode, and nobody who copies `rootfs/tmp/x` means to close /tmp."""
    write_tree(tmp_path, {f"{name}/f": "", "f": ""})
    for layer in (
        build_items(tmp_path, Text(b"", f"/{name}/f")),
        build_items(tmp_path, Copy(".", "/")),
        build_items(tmp_path, Copy(name, f"/{name}")),
        build_items(tmp_path, Copy("f", f"/{name}/")),
        build_items(tmp_path, Directory(f"/{name}")),
    ):
        assert oct(layer[name].mode) == oct(CUSTOMARY[name])
    assert build_items(tmp_path, Copy(".", "/", attributes=Attributes(dir_mode=0o711)))[name].mode == 0o711


def test_archives_keep_what_they_say_but_for_times(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"uid": 5, "gid": 6, "mtime": 77}
    members = [
        (tar_info("d/", mode=0o2711, **facts), b""),
        (tar_info("d/f", mode=0o4701, **facts, pax_headers={"SCHILY.xattr.user.a": "x"}), b"x"),
    ]
    make_tar(tmp_path / "a.tar", members)
    layer = build_items(tmp_path, Extract("a.tar", "/"))
    assert [(m.mode, m.uid, m.gid, m.mtime) for m in layer.members] == [
        (0o2711, 5, 6, CREATED),
        (0o4701, 5, 6, CREATED),
    ]
    assert layer["d/f"].pax_headers == {"SCHILY.xattr.user.a": "x"}
    assert build_items(tmp_path, Extract("a.tar", "/", attributes=KEEP_ALL))["d/f"].mtime == 77
    assert build_items(tmp_path, Extract("a.tar", "/", attributes=KEEP_ALL), latest_mtime=9)["d/f"].mtime == 9
    said = Attributes(owner=(1, 2), file_mode=0o600, dir_mode=0o700, mtime=3, xattrs=())
    overridden = build_items(tmp_path, Extract("a.tar", "/", attributes=said))
    assert [(m.mode, m.uid, m.gid, m.mtime) for m in overridden.members] == [(0o700, 1, 2, 3), (0o600, 1, 2, 3)]
    assert overridden["d/f"].pax_headers == {}
