from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from ocibuild.errors import IntegrityError, NotFoundError, StoreError
from ocibuild.oci.blobs import BlobSource
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest
from ocibuild.oci.media_type import OCI_FOREIGN_LAYER, OCI_LAYER, OCI_MANIFEST
from ocibuild.oci.platform import parse_platform
from ocibuild.oci.reference import parse_reference
from ocibuild.store.layout import Layout
from ocibuild.store.naming import named
from ocibuild.store.oci_archive import open_oci_archive, write_oci_archive
from tests.oracles.layouts import read_layout
from tests.peers.clients import skopeo
from tests.peers.programs import call
from tests.store.images import add_image, add_index, blob_file, layer_tar, overwrite

HELLO = parse_reference("ghcr.io/o/hello:1")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def two_platforms(layout: Layout) -> Descriptor:
    shared = layer_tar("shared")
    return add_index(
        layout,
        add_image(layout, shared, layer_tar("a"), platform=parse_platform("linux/amd64")),
        add_image(layout, shared, layer_tar("b"), platform=parse_platform("linux/arm64")),
    )


def test_an_archive_holds_a_whole_layout(layout: Layout, tmp_path: Path) -> None:
    index = two_platforms(layout)
    write_oci_archive(tmp_path / "image.tar", layout, [named(index, reference=HELLO), named(index, tag="other")])
    (tmp_path / "unpacked").mkdir()
    call("tar", "xf", tmp_path / "image.tar", "-C", tmp_path / "unpacked")
    images = read_layout(tmp_path / "unpacked")
    assert [(image.platform, image.names) for image in images] == [
        ("linux/amd64", ("other",)),
        ("linux/arm64", ("other",)),
        ("linux/amd64", ("1",)),
        ("linux/arm64", ("1",)),
    ]


def test_equal_images_give_equal_bytes(layout: Layout, tmp_path: Path) -> None:
    index = two_platforms(layout)
    images = [named(index, reference=HELLO), named(index, tag="other")]
    write_oci_archive(tmp_path / "one.tar", layout, images)
    write_oci_archive(tmp_path / "two.tar", open_oci_archive(tmp_path / "one.tar"), images[::-1])
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        names = tar.getnames()
    assert names[:2] == ["oci-layout", "index.json"]
    assert names[2:] == sorted(set(names[2:]))


def test_an_archive_reads_like_the_layout(layout: Layout, tmp_path: Path) -> None:
    image = add_image(layout, layer_tar("a"))
    write_oci_archive(tmp_path / "image.tar", layout, [named(image, reference=HELLO)])
    archive = open_oci_archive(tmp_path / "image.tar")
    assert [str(entry) for entry in archive.entries()] == ["ghcr.io/o/hello:1"]
    found = archive.resolve("ghcr.io/o/hello:1")
    assert archive.read_manifest(found) == layout.read_manifest(image)
    assert archive.blob_origins(image) == ()
    with pytest.raises(NotFoundError, match="there is no blob"):
        list(archive.open_blob(describe(b"none", OCI_LAYER)))


def test_blobs_by_sha512_have_names_that_old_tars_had_no_room_for(layout: Layout, tmp_path: Path) -> None:
    raw = layer_tar("a")
    layer = Descriptor(OCI_LAYER, Digest("sha512", hashlib.sha512(raw).hexdigest()), len(raw))
    layout.put_blob(BlobSource(layer, lambda: iter((raw,))))
    config = layout.put_bytes(b"{}", "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "config": config.to_json(), "layers": [layer.to_json()]}
    image = layout.put_bytes(encode(manifest), OCI_MANIFEST)
    write_oci_archive(tmp_path / "image.tar", layout, [named(image, reference=HELLO)])
    assert b"".join(open_oci_archive(tmp_path / "image.tar").open_blob(layer)) == raw
    call("tar", "xf", tmp_path / "image.tar", "-C", tmp_path)
    assert (tmp_path / "blobs/sha512" / layer.digest.encoded).read_bytes() == raw


def test_foreign_layers_are_left_out(layout: Layout, tmp_path: Path) -> None:
    foreign = Descriptor(f"{OCI_FOREIGN_LAYER}+gzip", describe(b"x", "").digest, 1, urls=("https://example.com/x",))
    config = layout.put_bytes(b"{}", "application/vnd.oci.image.config.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [foreign.to_json()],
    }
    image = layout.put_bytes(json.dumps(manifest).encode(), OCI_MANIFEST)
    write_oci_archive(tmp_path / "image.tar", layout, [image])
    with tarfile.open(tmp_path / "image.tar") as tar:
        assert len(tar.getnames()) == 4


@pytest.mark.parametrize("damage", ["edited", "missing"])
def test_a_blob_that_cannot_be_had_leaves_no_archive(layout: Layout, tmp_path: Path, damage: str) -> None:
    image = add_image(layout, layer_tar("a"))
    layer = json.loads(layout.read_manifest(image))["layers"][0]
    file = layout.path / "blobs/sha256" / layer["digest"].partition(":")[2]
    if damage == "edited":
        overwrite(file, bytes(layer["size"]))
    else:
        file.unlink()
    with pytest.raises((IntegrityError, NotFoundError)):
        write_oci_archive(tmp_path / "image.tar", layout, [image])
    assert [path.name for path in tmp_path.iterdir()] == ["layout"]


def test_an_edited_archive_is_noticed(layout: Layout, tmp_path: Path) -> None:
    image = add_image(layout, layer_tar("a"))
    write_oci_archive(tmp_path / "image.tar", layout, [image])
    raw = (tmp_path / "image.tar").read_bytes()
    manifest = blob_file(layout, image).read_bytes()
    (tmp_path / "image.tar").write_bytes(raw.replace(manifest, manifest.replace(b"amd64", b"arm64").swapcase()))
    archive = open_oci_archive(tmp_path / "image.tar")
    with pytest.raises(IntegrityError, match=str(image.digest)):
        archive.read_manifest(image)


def test_a_tar_that_is_no_layout_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(layer_tar("a"))
    with pytest.raises(StoreError, match="is no OCI image layout: it has no oci-layout"):
        open_oci_archive(tmp_path / "x.tar")


@pytest.mark.peer("skopeo")
def test_skopeo_reads_what_we_write(layout: Layout, tmp_path: Path) -> None:
    image = add_image(layout, layer_tar("a"), layer_tar("b"))
    layout.name(image, reference=HELLO)
    write_oci_archive(tmp_path / "image.tar", layout, [named(image, reference=HELLO)])
    for place in (f"oci:{layout.path}:1", f"oci-archive:{tmp_path}/image.tar:1", f"oci-archive:{tmp_path}/image.tar"):
        assert skopeo("inspect", "--format", "{{.Digest}}", place).stdout.strip() == str(image.digest)
    skopeo("copy", "--all", f"oci-archive:{tmp_path}/image.tar:1", f"dir:{tmp_path}/copied")
    assert (tmp_path / "copied/manifest.json").read_bytes() == layout.read_manifest(image)


@pytest.mark.peer("skopeo")
def test_we_read_what_skopeo_writes(layout: Layout, tmp_path: Path) -> None:
    index = two_platforms(layout)
    layout.name(index, tag="1")
    skopeo("copy", "--all", f"oci:{layout.path}:1", f"oci-archive:{tmp_path}/theirs.tar:ghcr.io/o/hello:2")
    archive = open_oci_archive(tmp_path / "theirs.tar")
    assert archive.read_manifest(archive.resolve("ghcr.io/o/hello:2")) == layout.read_manifest(index)


@pytest.mark.peer("skopeo")
def test_skopeo_and_we_share_a_layout(layout: Layout) -> None:
    image, other = add_image(layout, layer_tar("a")), add_image(layout, layer_tar("b"))
    layout.name(image, reference=HELLO)
    skopeo("copy", f"oci:{layout.path}:1", f"oci:{layout.path}:theirs")
    layout.name(other, reference=HELLO, tag="2")
    found = {str(entry): entry.descriptor.digest for entry in layout.entries()}
    assert found == {"theirs": image.digest, "ghcr.io/o/hello:1": image.digest, "ghcr.io/o/hello:2": other.digest}
