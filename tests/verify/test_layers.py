"""One layer, read in one pass: what is odd about its members, what it unpacks to, and where reading ends."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.checks.layer_reading import LayerReading, Stop, read_layer
from ocibuild.checks.layer_survey import Oddity
from ocibuild.errors import IntegrityError, TarDefect
from ocibuild.oci.digest import Digest, parse_digest, sha256
from ocibuild.oci.layer_limits import LIMITS, Limits
from ocibuild.oci.media_type import Compression
from tests.cli.program import ROOT
from tests.oci.chunks import cuts
from tests.verify.layouts import packed, tar_of


def read(blob: bytes, *promised: Digest, limits: Limits = LIMITS, step: int = 1000) -> LayerReading:
    chunks = (blob[start : start + step] for start in range(0, len(blob), step))
    return read_layer(chunks, len(blob), promised or [sha256(b"")], subject="it", limits=limits)


def odd(*members: str) -> dict[str, tuple[bytes, bytes]]:
    """What is odd about such members, and the first example of each."""
    return {oddity.name: sightings.first for oddity, sightings in read(tar_of(list(members))).odd.items()}


@pytest.mark.parametrize(
    "members",
    [
        ["directory ./", "directory ./d", "file ./d/a", "symlink d/b -> a", "hardlink d/c -> d/a"],
        ["directory /"],
        ["file d/without/parents"],
        # Whiteouts, with what takes the place of what they remove.
        ["file .wh.a", "directory a", "file a/b"],
        ["directory d", "file d/.wh..wh..opq", "file d/a", "file d/.wh.b"],
        ["file d/a", "file d/.wh..wh..opq"],
        ["file d/e/a", "directory d/e", "directory d", "file .wh..wh..opq"],
        ["file .wh..wh.plnk", "file .wh..wh.aufs"],
        # Links that stay inside.
        ["directory usr", "symlink d -> usr", "file d/a", "file d/b/c", "file d/b/d"],
        ["file usr/lib/a", "symlink usr/d -> ../usr/./lib", "file usr/d/b", "symlink e -> usr/d", "file e/c"],
        ["directory d", "symlink d/a -> ../b", "symlink c -> /etc", "symlink e -> d/../d/a"],
        ["directory usr", "file usr/a", "symlink d -> usr", "hardlink b -> d/a", "hardlink usr/c -> ./usr//a"],
        ["directory usr", "file usr/a", "symlink d -> /usr", "hardlink b -> d/a"],
        ["file a..b", "file ..a", "file .hidden"],
    ],
    ids=lambda members: members[0],
)
def test_what_layers_may_hold_is_not_odd(members: list[str]) -> None:
    assert odd(*members) == {}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["file a", "file b", "file a"], {"TWICE": (b"a", b"")}),
        (["directory d", "directory d/"], {"TWICE": (b"d", b"")}),
        (["file a", "symlink ./a -> b"], {"TWICE": (b"a", b"")}),
        (["file .wh.a", "file .wh.a"], {"TWICE": (b".wh.a", b"")}),
        (["file d/a", "file d/.wh.a"], {"HIDDEN_TOO": (b"d/.wh.a", b"'d/a'")}),
        (["file d/a", "file .wh.d"], {"HIDDEN_TOO": (b".wh.d", b"'d'")}),
        (
            ["file d/e/a", "file d/.wh..wh..opq"],
            {"HIDDEN_TOO": (b"d/.wh..wh..opq", b"a directory that is no entry of the layer")},
        ),
        (["file d/.wh."], {"BAD_WHITEOUT": (b"d/.wh.", b"")}),
        (["file .wh..."], {"BAD_WHITEOUT": (b".wh...", b"")}),
        (["hardlink a -> b", "file b"], {"LINK_AHEAD": (b"a", b"b")}),
        (["hardlink a -> a"], {"LINK_AHEAD": (b"a", b"a")}),
        (["file x", "hardlink a -> y"], {"LINK_TO_NOTHING": (b"a", b"y")}),
        (["directory d", "hardlink a -> d"], {"LINK_TO_NOTHING": (b"a", b"d")}),
        (["hardlink a -> ../x"], {"INVALID": (b"a", b"is a hard link to a path with `..`")}),
        (["file a/../b"], {"INVALID": (b"a/../b", b"has `..` in it")}),
        (["file ."], {"INVALID": (b".", b"is the root of the image, and no directory")}),
        (["file " + "n" * 256], {"INVALID": (b"n" * 256, b"is longer than file systems take")}),
        (["file " + "d/" * 2048 + "n"], {"INVALID": (b"d/" * 2048 + b"n", b"is longer than file systems take")}),
        (["file //a"], {"ABSOLUTE": (b"//a", b"")}),
        (["symlink d/a -> ../../x"], {"LEADS_OUT": (b"d/a", b"../../x")}),
        (["symlink d/a -> x/../../../y"], {"LEADS_OUT": (b"d/a", b"x/../../../y")}),
        (["symlink a -> /etc", "file a/b/c"], {"THROUGH_LINK": (b"a/b/c", b"a")}),
        (["symlink a -> ..", "file a/b"], {"LEADS_OUT": (b"a", b".."), "THROUGH_LINK": (b"a/b", b"a")}),
        (["symlink a -> b", "file a/c"], {"THROUGH_LINK": (b"a/c", b"a")}),
        (["file a", "directory a/b"], {"BELOW_FILE": (b"a/b", b"a")}),
        (["directory a/b/c", "file a"], {"BELOW_FILE": (b"a/b/c", b"a")}),
        (["device dev/null"], {"DEVICE": (b"dev/null", b"")}),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_each_oddity_is_seen_with_an_example(members: list[str], expected: dict[str, tuple[bytes, bytes]]) -> None:
    assert odd(*members) == expected


def test_an_oddity_that_comes_often_is_counted() -> None:
    sightings = read(tar_of([f"file /f{number}" for number in range(1000)])).odd[Oddity.ABSOLUTE]
    assert (sightings.count, sightings.first) == (1000, (b"/f0", b""))


def test_links_of_links_end() -> None:
    assert odd("symlink a -> b", "symlink b -> a", "hardlink c -> a/x") == {"LINK_TO_NOTHING": (b"c", b"a/x")}


@pytest.mark.parametrize("how", ["none", "gzip", "zstd"])
def test_a_layer_unpacks_to_its_diff_id_however_it_is_packed(how: str) -> None:
    raw = tar_of(["file a", "file b"])
    reading = read(
        packed(raw, how), sha256(b""), parse_digest("sha512:" + "0" * 128), parse_digest("blake3:" + "0" * 64)
    )
    assert reading.compression is Compression(how)
    assert reading.diff_ids == {sha256(raw), parse_digest("sha512:" + hashlib.sha512(raw).hexdigest())}
    assert (reading.unpacked, reading.members, reading.stopped) == (len(raw), 2, None)


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", TarDefect.NO_END),
        (b"no tar at all", TarDefect.CUT_SHORT),
        (b"no tar at all".ljust(1024), TarDefect.DAMAGED),
        (gzip.compress(b""), TarDefect.NO_END),
        (packed(tar_of(["file a"]), "gzip")[:-1], Stop.PACKING),
        (packed(tar_of(["file a"]), "gzip") + b"more", Stop.PACKING),
        (packed(tar_of(["file a"]), "zstd")[:-1], Stop.PACKING),
    ],
    ids=["nothing", "text", "block of text", "gzip of nothing", "gzip cut", "gzip and more", "zstd cut"],
)
def test_what_is_no_layer_says_why(blob: bytes, reason: Stop | TarDefect) -> None:
    reading = read(blob)
    assert reading.stopped is not None
    assert reading.stopped[0] is reason
    assert reading.stopped[1].startswith("it ")
    assert bool(reading.diff_ids) == isinstance(reason, TarDefect)


def test_a_damaged_tar_is_hashed_to_its_end_all_the_same() -> None:
    raw = tar_of(["file a"], "header") + b"and more"
    assert read(packed(raw, "gzip")).diff_ids == {sha256(raw)}


@pytest.mark.parametrize("how", ["none", "gzip", "zstd"])
def test_errors_of_the_place_are_its_own(how: str) -> None:
    blob = packed(tar_of(["file a"]), how)

    def chunks() -> Iterator[bytes]:
        yield blob[:20]
        raise IntegrityError("the blob is damaged")

    with pytest.raises(IntegrityError, match="the blob is damaged"):
        read_layer(chunks(), len(blob), [], subject="it")


@pytest.mark.parametrize("damage", [b"\0" * 10, b"\xff" * 10])
def test_a_blob_is_taken_to_its_end_whatever_is_in_it(damage: bytes) -> None:
    """So that whoever hands it out can compare its digest: which says more than that it cannot be unpacked."""
    blob = packed(tar_of(["file a"]), "gzip")[:30] + damage * 1000
    taken = []

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(blob), 100):
            taken.append(start)
            yield blob[start : start + 100]

    assert read_layer(chunks(), len(blob), [], subject="it").stopped is not None
    assert len(taken) * 100 >= len(blob)


@pytest.mark.parametrize(
    ("limits", "is_bomb"),
    [
        (Limits(harmless=100_000), False),
        (Limits(harmless=10_000), True),
        (Limits(harmless=10_000, ratio=1000), False),
        (Limits(unpacked=10_000), True),
        (Limits(entries=2), True),
        (Limits(entries=3), False),
        (Limits(names=5), True),
        (Limits(names=6), False),
    ],
)
def test_reading_ends_at_the_limits(limits: Limits, is_bomb: bool) -> None:
    raw = tar_of(["file aa", "file bb", "file cc"]) + bytes(80_000)
    assert 60_000 < len(raw) < 100_000
    reading = read(packed(raw, "gzip"), limits=limits)
    assert (reading.stopped is not None and reading.stopped[0] is Stop.BOMB) == is_bomb
    assert bool(reading.diff_ids) != is_bomb


@settings(deadline=None)
@given(cuts(tar_of(["file a", "hardlink b -> a", "symlink c -> d/e"])))
def test_how_a_blob_is_cut_does_not_matter(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert read_layer(chunks, len(whole), [sha256(b"")], subject="it") == read(whole)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_is_more_than_a_finding(data: st.DataObject) -> None:
    """Whatever becomes of its bytes, a layer is read, and the reading says what it unpacks to or why it cannot be."""
    raw = bytearray(tar_of(["directory d", "file d/a", "hardlink b -> d/a", "symlink c -> ../d", "file .wh.x"]))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    blob = packed(bytes(raw), data.draw(st.sampled_from(["none", "gzip", "zstd"])))
    reading = read(blob)
    assert reading.diff_ids or reading.stopped


_BOMB = """
import resource, tarfile, zlib
from ocibuild.checks.layer_reading import read_layer
from ocibuild.oci.layer_limits import Limits
from ocibuild.oci.digest import sha256
info = tarfile.TarInfo("zeros"); info.size = 1 << 32
packer = zlib.compressobj(1, wbits=31)
blob = packer.compress(info.tobuf()) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(160)) + packer.flush(zlib.Z_SYNC_FLUSH)
del packer
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reading = read_layer([blob], len(blob), [sha256(b"")], subject="it", limits=Limits(harmless=1 << 27, ratio=1))
print(reading.stopped[0].name, reading.unpacked >> 20, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_a_bomb_is_left_at_its_limit_in_little_memory() -> None:
    command = [sys.executable, "-c", _BOMB]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=ROOT)
    reason, mebibytes, memory = done.stdout.split()
    assert reason == "BOMB"
    assert int(mebibytes) in (128, 129)
    assert int(memory) < 30
