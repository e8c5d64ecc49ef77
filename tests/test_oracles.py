"""The judges are judged: each must see the one thing that is wrong, and nothing where nothing is."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.oracles.layouts import BrokenLayoutError, Document, image_for, read_layout, unreferenced_blobs
from tests.oracles.trees import differences
from tests.peers.programs import call, require_root


def make_tree(root: Path) -> Path:
    (root / "d").mkdir(parents=True)
    (root / "d/file").write_text("content")
    (root / "d/link").symlink_to("file")
    os.link(root / "d/file", root / "d/hard")
    (root / "other").write_text("content")
    os.mkfifo(root / "fifo")
    return root


def test_a_tree_equals_its_copy(tmp_path: Path) -> None:
    assert differences(make_tree(tmp_path / "a"), make_tree(tmp_path / "b")) == []


def relink(root: Path) -> None:
    (root / "d/hard").unlink()
    (root / "d/hard").write_text("content")


def retarget(root: Path) -> None:
    (root / "d/link").unlink()
    (root / "d/link").symlink_to("hard")


def replace_file_by_directory(root: Path) -> None:
    (root / "other").unlink()
    (root / "other").mkdir(mode=0o644)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "new").mkdir(), "'new': not expected"),
        (lambda root: (root / "fifo").unlink(), "'fifo': missing"),
        (lambda root: (root / "other").write_text("CONTENT"), "'other': other content"),
        (lambda root: (root / "other").write_text("longer content"), "'other': size 7, found 14"),
        (lambda root: (root / "other").chmod(0o4755), "'other': mode '0644', found '4755'"),
        (lambda root: os.setxattr(root / "other", "user.x", b"1"), "'other': xattrs {}, found {'user.x': b'1'}"),
        (lambda root: os.utime(root / "other", (1, 1)), "'other': mtime 5, found 1"),
        (retarget, "'d/link': target 'file', found 'hard'"),
        (relink, "['d/file', 'd/hard']: no longer hard links of one file"),
        (replace_file_by_directory, "'other': kind 'file', found 'directory'"),
    ],
    ids=["added", "removed", "content", "size", "mode", "xattr", "mtime", "target", "hard link", "kind"],
)
def test_each_difference_of_two_trees_is_seen(tmp_path: Path, change: Callable[[Path], object], expected: str) -> None:
    ours, theirs = make_tree(tmp_path / "a"), make_tree(tmp_path / "b")
    change(theirs)
    for root in (ours, theirs):
        for path in {*root.rglob("*")} - ({theirs / "other"} if "mtime" in expected else set()):
            os.utime(path, (5, 5), follow_symlinks=False)
    assert differences(ours, theirs, mtimes=True) == [expected]


def test_owners_and_capabilities_are_seen(tmp_path: Path) -> None:
    require_root()
    ours, theirs = make_tree(tmp_path / "a"), make_tree(tmp_path / "b")
    os.chown(theirs / "fifo", 7, 8)
    call("setcap", "cap_chown=ep", theirs / "other")
    owner, capability = differences(ours, theirs)
    assert owner == "'fifo': owner '0:0', found '7:8'"
    assert "security.capability" in capability
    assert len(differences(ours, theirs, owners=False)) == 1


OCI = "application/vnd.oci.image"
REF_NAME = "org.opencontainers.image.ref.name"
TAR_GZIP, TAR_ZSTD = f"{OCI}.layer.v1.tar+gzip", f"{OCI}.layer.v1.tar+zstd"


class LayoutWriter:
    """Writes layouts by hand, so that any one number can be made wrong."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.blobs = directory / "blobs/sha256"
        self.blobs.mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, media_type: str, content: bytes | Document) -> Document:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = hashlib.sha256(raw).hexdigest()
        (self.blobs / digest).write_bytes(raw)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}

    def index(self, *manifests: Document) -> None:
        document = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": manifests}
        (self.directory / "index.json").write_text(json.dumps(document))


def tar_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def write_image(writer: LayoutWriter, architecture: str, change: Callable[[str, Document], None]) -> Document:
    """One image with a gzip and a zstd layer. `change` may spoil each document before it is written."""
    plain = [tar_of("a", b"first"), tar_of("b", b"second")]
    # Two members, two frames: a layer may be a concatenation of compressed streams.
    packed = [
        gzip.compress(plain[0][:700]) + gzip.compress(plain[0][700:]),
        zstandard.compress(plain[1][:700]) + zstandard.compress(plain[1][700:]),
    ]
    layers = [writer.blob(media, raw) for media, raw in zip((TAR_GZIP, TAR_ZSTD), packed, strict=True)]
    diff_ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in plain]
    config: Document = {
        "os": "linux",
        "architecture": architecture,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "a"}, {"created_by": "env", "empty_layer": True}, {"created_by": "b"}],
    }
    change("config", config)
    manifest: Document = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": writer.blob(f"{OCI}.config.v1+json", config),
        "layers": layers,
    }
    change("manifest", manifest)
    descriptor = writer.blob(f"{OCI}.manifest.v1+json", manifest)
    descriptor["platform"] = {"os": "linux", "architecture": architecture}
    change("descriptor", descriptor)
    return descriptor


def write_layout(directory: Path, change: Callable[[str, Document], None] = lambda kind, document: None) -> Path:
    """An index of two images under the name `1`."""
    writer = LayoutWriter(directory)
    manifests = [write_image(writer, architecture, change) for architecture in ("amd64", "arm64")]
    index: Document = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": manifests}
    writer.index({**writer.blob(index["mediaType"], index), "annotations": {REF_NAME: "1"}})
    return directory


def test_a_good_layout_is_read(tmp_path: Path) -> None:
    images = read_layout(write_layout(tmp_path / "layout"))
    assert [image.platform for image in images] == ["linux/amd64", "linux/arm64"]
    image = image_for(images, "linux/arm64")
    assert image.names == ("1",)
    assert [[entry.name for entry in layer.entries()] for layer in image.layers] == [["a"], ["b"]]
    assert image.layers[1].contents() == {"b": b"second"}
    assert unreferenced_blobs(tmp_path / "layout") == set()


def set_to(kind: str, *path: str | int, value: Any) -> Callable[[str, Document], None]:
    """A change of one value, deep in one kind of document."""

    def change(changed: str, document: Document) -> None:
        if changed == kind:
            place: Any = document
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = copy.deepcopy(value)

    return change


NO_DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_to("descriptor", "size", value=1), "bytes, not 1"),
        (set_to("descriptor", "digest", value=NO_DIGEST), "no such blob"),
        (set_to("descriptor", "platform", "architecture", value="riscv64"), "'riscv64' in the descriptor"),
        (set_to("descriptor", "platform", "variant", value="v8"), "variant is 'v8' in the descriptor, None"),
        (set_to("manifest", "schemaVersion", value=1), "schemaVersion is 1"),
        (set_to("manifest", "mediaType", value="text/plain"), "its own mediaType is 'text/plain'"),
        (set_to("manifest", "layers", 0, "size", value=7), "bytes, not 7"),
        (set_to("manifest", "layers", 0, "mediaType", value=TAR_ZSTD), "gzip where the media type says zstd"),
        (set_to("manifest", "layers", 0, "mediaType", value="text/plain"), "a layer of type text/plain"),
        (set_to("manifest", "config", "mediaType", value="text/plain"), "config is text/plain"),
        (set_to("config", "rootfs", "diff_ids", 1, value=NO_DIGEST), "its content has"),
        (set_to("config", "rootfs", "diff_ids", value=[]), "0 diff_ids, 2 layers"),
        (set_to("config", "history", value=[{}]), "history tells of 1 layers"),
        (set_to("config", "os", value=""), "has no platform"),
    ],
)
def test_each_broken_promise_of_a_layout_is_seen(
    tmp_path: Path, change: Callable[[str, Document], None], message: str
) -> None:
    with pytest.raises(BrokenLayoutError, match=message):
        read_layout(write_layout(tmp_path / "layout", change))


def test_a_blob_with_other_bytes_is_seen(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout")
    layer = read_layout(layout)[0].layers[0].blob
    raw = layer.read_bytes()
    layer.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(BrokenLayoutError, match="the blob has sha256"):
        read_layout(layout)


def test_a_foreign_layer_may_be_absent_if_it_has_urls(tmp_path: Path) -> None:
    foreign = {"mediaType": f"{OCI}.layer.nondistributable.v1.tar+gzip", "digest": NO_DIGEST, "size": 9}
    with_urls = set_to("manifest", "layers", 0, value={**foreign, "urls": ["https://example.com/layer"]})
    assert read_layout(write_layout(tmp_path / "good", with_urls))[0].layers[0].is_foreign
    with pytest.raises(BrokenLayoutError, match="a foreign layer without urls"):
        read_layout(write_layout(tmp_path / "bad", set_to("manifest", "layers", 0, value=foreign)))


def test_leftover_blobs_are_seen(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout")
    (layout / "blobs/sha256/leftover").write_text("x")
    assert unreferenced_blobs(layout) == {"sha256:leftover"}
