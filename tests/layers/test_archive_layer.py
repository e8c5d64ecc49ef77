"""`archive`: an existing tar becomes a layer, byte by byte, once it is seen to be one."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import tarfile
from pathlib import Path

import pytest
import zstandard

from ocibuild.errors import SourceError
from ocibuild.events import Advanced, Event, Finished, Stage, Started, silent
from ocibuild.layers.build import build_layers
from ocibuild.oci.media_type import OCI_LAYER, Compression
from ocibuild.plan import ArchiveLayer
from tests.layers.building import at, build, make_tar, tar_info
from tests.layers.memory_store import MemoryStore
from tests.layers.test_extract import PACKED, damaged


def layer(context: Path, compression: Compression | None = None) -> ArchiveLayer:
    return ArchiveLayer("vendor", "layer.tar", context, compression, at(8))


def refused(context: Path, compression: Compression | None = None) -> SourceError:
    store = MemoryStore()
    with pytest.raises(SourceError) as caught:
        build_layers([layer(context, compression)], store, jobs=1, emit=silent)
    assert store.blobs == {}
    assert store.open_writers == 0
    assert caught.value.where == "ocibuild.yaml:8:5"
    assert caught.value.hint
    return caught.value


def plain_tar(context: Path, *members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    return make_tar(context / "layer.tar", members or [("d/", b""), ("d/f", b"content" * 500)]).read_bytes()


@pytest.mark.parametrize("form", [form for form in PACKED if "xz" not in form])
@pytest.mark.parametrize("is_declared", [False, True])
def test_the_bytes_are_kept(tmp_path: Path, form: str, is_declared: bool) -> None:
    plain = plain_tar(tmp_path)
    raw = PACKED[form](plain)
    (tmp_path / "layer.tar").write_bytes(raw)
    kind = Compression("gzip" if "gz" in form else "zstd" if "zst" in form else "none")
    plan = layer(tmp_path, kind if is_declared else None)
    store = MemoryStore()
    built = build_layers([plan], store, jobs=1, emit=silent)[plan]
    assert store.blobs == {built.descriptor.digest: raw}
    assert built.descriptor.size == len(raw)
    assert built.descriptor.media_type == OCI_LAYER + ("" if kind is Compression.NONE else f"+{kind}")
    assert built.diff_id.encoded == hashlib.sha256(plain).hexdigest()


@pytest.mark.parametrize(("form", "found"), [("tar", "none"), ("tar.gz", "gzip"), ("tar.zst", "zstd")])
@pytest.mark.parametrize("declared", [Compression.NONE, Compression.GZIP, Compression.ZSTD])
def test_what_is_declared_has_to_be_true(tmp_path: Path, form: str, found: str, declared: Compression) -> None:
    (tmp_path / "layer.tar").write_bytes(PACKED[form](plain_tar(tmp_path)))
    if declared == found:
        assert build(layer(tmp_path, declared)).built.name == "vendor"
    else:
        error = refused(tmp_path, declared)
        assert error.what == f"'layer.tar' is packed with {found}, not with {declared.value}"
        assert f"compression: {found}" in str(error.hint)


def test_xz_has_no_media_type(tmp_path: Path) -> None:
    (tmp_path / "layer.tar").write_bytes(lzma.compress(plain_tar(tmp_path)))
    error = refused(tmp_path)
    assert error.what == "'layer.tar' is packed with xz, for which layers have no media type"
    assert "extract" in str(error.hint)


@pytest.mark.parametrize("how", ["cut in half", "last byte missing", "checksum wrong", "junk behind"])
@pytest.mark.parametrize("form", ["tar.gz", "tar.zst"])
def test_damage_is_refused(tmp_path: Path, form: str, how: str) -> None:
    pack = zstandard.ZstdCompressor(write_checksum=True).compress if form == "tar.zst" else gzip.compress
    (tmp_path / "layer.tar").write_bytes(damaged(pack(plain_tar(tmp_path)), how))
    assert refused(tmp_path).what.startswith("'layer.tar' ")


@pytest.mark.parametrize("size", [0, 511, 512, 1300, 4000, 4096])
def test_a_plain_tar_that_is_cut_short_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "layer.tar").write_bytes(plain_tar(tmp_path)[:size])
    assert "it ends before the mark that ends an archive" in refused(tmp_path).what


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\n",
        b"x" * 2000,
        gzip.compress(b"x" * 2000, mtime=0),
        gzip.compress(b"", mtime=0),
        zstandard.compress(b""),
    ],
)
def test_what_is_no_tar_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "layer.tar").write_bytes(raw)
    assert "is no tar archive, or is damaged" in refused(tmp_path).what


def test_damage_behind_the_first_header_is_refused(tmp_path: Path) -> None:
    raw = bytearray(plain_tar(tmp_path, ("a", b""), ("b", b""), ("c", b"")))
    raw[1030] ^= 1
    (tmp_path / "layer.tar").write_bytes(raw)
    assert "the checksum of a header is wrong" in refused(tmp_path).what


@pytest.mark.parametrize("again", ["a", "./a", "a/"])
def test_a_path_that_comes_twice_is_refused(tmp_path: Path, again: str) -> None:
    plain_tar(tmp_path, ("a", b"1"), (again, b""))
    error = refused(tmp_path)
    assert error.what.startswith("'layer.tar' holds 'a")
    assert "extract" in str(error.hint)


def test_a_directory_that_comes_twice_is_refused(tmp_path: Path) -> None:
    plain_tar(tmp_path, ("d/", b""), ("d/a", b""), ("./d/", b""))
    assert refused(tmp_path).what.startswith("'layer.tar' holds 'd' twice")


def test_whiteouts_are_what_archives_are_for(tmp_path: Path) -> None:
    members = ("d/", b""), ("d/.wh.gone", b""), (tar_info("null", tarfile.CHRTYPE), b"")
    raw = plain_tar(tmp_path, *members)
    assert build(layer(tmp_path)).blob == raw


def test_an_empty_tar_is_a_layer(tmp_path: Path) -> None:
    (tmp_path / "layer.tar").write_bytes(bytes(1024))
    assert build(layer(tmp_path)).blob == bytes(1024)


def test_what_is_no_file_or_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path).what == "'layer.tar' does not exist"
    (tmp_path / "layer.tar").mkdir()
    assert refused(tmp_path).what == "'layer.tar' is no file"


def test_progress_counts_the_bytes_of_the_archive(tmp_path: Path) -> None:
    raw = gzip.compress(plain_tar(tmp_path, ("f", bytes(range(256)) * 30_000)), 1)
    (tmp_path / "layer.tar").write_bytes(raw)
    events: list[Event] = []
    build_layers([layer(tmp_path)], MemoryStore(), jobs=1, emit=events.append)
    started, *advanced, finished = events
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert (started.stage, started.subject, started.total) == (Stage.BUILD, "vendor", len(raw))
    assert sum(event.amount for event in advanced if isinstance(event, Advanced)) == len(raw)
    assert (finished.task, finished.outcome, finished.size) == (started.task, "kept", len(raw))
