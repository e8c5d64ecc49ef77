"""A layer as changes: what is read from its tar, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from ocibuild.errors import IntegrityError
from ocibuild.oci.compression import compressor
from ocibuild.oci.digest import sha256
from ocibuild.oci.layer_limits import LIMITS, Limits
from ocibuild.oci.media_type import Compression
from ocibuild.tree.entry import Action, Kind
from ocibuild.tree.layer import read_layer
from tests.diff.layers import Member, directory, file, hardlink, layer, symlink, tar


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZIP, Compression.ZSTD])
def test_the_packing_is_seen_and_the_content_hashed(compression: Compression) -> None:
    raw = tar(file("etc/motd", "hello", mode=0o4755, owner=(1, 2), mtime=7, xattrs=(("user.a", "b"),)))
    packed = bytes(compressor(compression).pack(raw))
    found = read_layer([packed[:9], packed[9:]], len(packed), sha256(raw), subject="layer")
    (change,) = found.changes
    assert (change.action, change.path, found.unpacked) == (Action.PUT, b"etc/motd", len(raw))
    assert change.entry is not None
    assert (change.entry.kind, change.entry.mode, change.entry.uid, change.entry.gid) == (Kind.FILE, 0o4755, 1, 2)
    assert (change.entry.mtime, change.entry.size, change.entry.xattrs) == (7, 5, (("user.a", b"b"),))
    assert change.entry.content == hashlib.sha256(b"hello").digest()


@pytest.mark.parametrize(
    ("member", "action", "path"),
    [
        (file("./a//b/./c"), Action.PUT, b"a/b/c"),
        (file("/a"), Action.PUT, b"a"),
        (directory("./"), Action.PUT, b""),
        (directory("d/"), Action.PUT, b"d"),
        (symlink("s", "../x"), Action.PUT, b"s"),
        (hardlink("h", "./a"), Action.LINK, b"h"),
        (file("a/.wh.b"), Action.REMOVE, b"a/b"),
        (file(".wh.b"), Action.REMOVE, b"b"),
        (file("a/.wh..wh..opq"), Action.EMPTY, b"a"),
        (file(".wh..wh..opq"), Action.EMPTY, b""),
    ],
)
def test_what_members_do(member: Member, action: Action, path: bytes) -> None:
    (change,) = layer(member).changes
    assert (change.action, change.path) == (action, path)


@pytest.mark.parametrize("name", [".wh..wh.aufs", ".wh..wh.plnk/1.2", "a/.wh..wh.orph"])
def test_notes_of_aufs_are_skipped(name: str) -> None:
    assert [change.path for change in layer(file(name)).changes if change.action is not Action.PUT] == []
    assert layer(file(".wh..wh.aufs")).changes == ()


def test_an_empty_layer() -> None:
    assert layer().changes == ()


FEW = replace(LIMITS, entries=2)
SHORT = replace(LIMITS, names=10)
SMALL = replace(LIMITS, unpacked=1 << 14)


@pytest.mark.parametrize(
    ("members", "limits", "message"),
    [
        ([file("../a")], LIMITS, "no path in an image"),
        ([file("a/../../b")], LIMITS, "no path in an image"),
        ([hardlink("a", "../b")], LIMITS, "no path in an image"),
        ([file("a/" * 2100 + "b")], LIMITS, "no path in an image"),
        ([symlink("a", "b" * 5000)], LIMITS, "links to a path of 5000 bytes"),
        ([file(".wh.")], LIMITS, "names nothing"),
        ([file("a/.wh...")], LIMITS, "names nothing"),
        ([file("a"), file("b"), file("c")], FEW, "more entries, or longer names"),
        ([file("a" * 6), file("b" * 6)], SHORT, "more entries, or longer names"),
        ([file("a", xattrs=(("user.a", "b" * 20),))], SHORT, "more entries, or longer names"),
        ([file("a", "x" * 20000)], SMALL, "unpacks to more than 16,384 bytes"),
    ],
)
def test_what_is_refused(members: list[Member], limits: Limits, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        layer(*members, limits=limits)


@pytest.mark.parametrize("change", [lambda raw: raw[:700], lambda raw: b"x" * 1024 + raw, lambda raw: raw + b"x" * 512])
def test_what_is_no_whole_tar(change: Callable[[bytes], bytes]) -> None:
    raw = change(tar(file("etc/motd", "hello")))
    with pytest.raises(
        IntegrityError, match=r"layer (is no tar archive, or is damaged|goes on behind its end)"
    ) as caught:
        read_layer([raw], len(raw), sha256(raw), subject="layer")
    assert caught.value.hint


def test_what_is_not_what_the_config_promises() -> None:
    raw = tar(file("etc/motd", "hello"))
    with pytest.raises(IntegrityError, match=r"unpacks to sha256:") as caught:
        read_layer([raw.replace(b"hello", b"jello")], len(raw), sha256(raw), subject="layer")
    assert str(sha256(raw)) in (caught.value.where or "")


def test_a_bomb_ends_at_the_limit() -> None:
    raw = bytes(compressor(Compression.GZIP).pack(tar(file("zeros", "\0" * (8 << 20)))))
    assert len(raw) < 20000
    with pytest.raises(IntegrityError, match="unpacks to more than"):
        read_layer([raw], len(raw), sha256(b""), subject="layer", limits=replace(LIMITS, unpacked=1 << 20))
