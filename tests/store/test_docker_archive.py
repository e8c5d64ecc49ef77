from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocibuild.errors import IntegrityError, NotFoundError, OcibuildError, StoreError, UsageError
from ocibuild.oci.blobs import BlobSource, ImageReader
from ocibuild.oci.compression import compressor
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import sha256
from ocibuild.oci.documents import Manifest, parse_document
from ocibuild.oci.media_type import OCI_LAYER, OCI_MANIFEST, Compression, Format
from ocibuild.oci.platform import parse_platform
from ocibuild.oci.reference import parse_reference
from ocibuild.store.docker_archive import DockerArchive, write_docker_archive
from ocibuild.store.layout import Layout
from tests.oracles.layouts import read_layout
from tests.peers.clients import Podman, skopeo, umoci
from tests.store.images import add_image, add_index, layer_tar

HELLO = parse_reference("ghcr.io/o/hello:1")
A, B = layer_tar("a"), layer_tar("b")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def manifest_of(reader: ImageReader, image: Descriptor) -> Manifest:
    document = parse_document(reader.read_manifest(image), image.media_type, subject="test")
    assert isinstance(document, Manifest)
    return document


def save(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """A tar of files and (where the value is text) symbolic links."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def config_of(*layers: bytes) -> bytes:
    diff_ids = [str(sha256(layer)) for layer in layers]
    # Spaces and order as another tool would write them: these bytes are the image's id, and stay as they are.
    return json.dumps(
        {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()


def item(config: str, *layers: str, tags: list[str] | None = None) -> dict[str, Any]:
    return {"Config": config, "RepoTags": tags, "Layers": list(layers)}


def archive_of(path: Path, items: list[dict[str, Any]], files: Mapping[str, bytes | str]) -> Path:
    return save(path, {**files, "manifest.json": json.dumps(items).encode()})


def test_an_old_docker_archive_becomes_an_oci_image(tmp_path: Path, layout: Layout) -> None:
    """As docker up to 24 saves: a directory a layer, and a link where two images share one."""
    items = [item("c.json", "one/layer.tar", "two/layer.tar", tags=["hello:1", "ghcr.io/o/hello:latest"])]
    files: dict[str, bytes | str] = {
        "c.json": config_of(A, B),
        "one/layer.tar": A,
        "two/layer.tar": "../shared/layer.tar",
        "shared/layer.tar": B,
    }
    path = archive_of(tmp_path / "x.tar", items, files)
    archive = DockerArchive(path)
    assert [str(entry) for entry in archive.entries()] == ["docker.io/library/hello:1", "ghcr.io/o/hello:latest"]
    image = archive.resolve("hello:1")
    assert image == archive.resolve("latest") == archive.resolve(None) == archive.resolve(str(image.digest))
    manifest = manifest_of(archive, image)
    for blob in manifest.children:
        layout.put_blob(BlobSource(blob, lambda blob=blob: archive.open_blob(blob)))  # type: ignore[misc]
    layout.tag(image, archive.read_manifest(image), "1")
    (found,) = read_layout(layout.path)
    assert [layer.contents() for layer in found.layers] == [{"a": b"a"}, {"b": b"b"}]
    assert b"".join(archive.open_blob(manifest.config)) == config_of(A, B)


def test_a_new_docker_archive_is_read_too(tmp_path: Path) -> None:
    """As docker from 25 on saves: the members are blobs of a layout."""
    layer, config = f"blobs/sha256/{sha256(A).encoded}", f"blobs/sha256/{sha256(config_of(A)).encoded}"
    files = {config: config_of(A), layer: A, "index.json": b"{}"}
    archive = DockerArchive(archive_of(tmp_path / "x.tar", [item(config, layer, tags=["hello:1"])], files))
    manifest = manifest_of(archive, archive.resolve("hello:1"))
    assert b"".join(archive.open_blob(manifest.layers[0])) == A


@pytest.mark.parametrize(
    ("compression", "suffix"), [(Compression.NONE, ""), (Compression.GZIP, "+gzip"), (Compression.ZSTD, "+zstd")]
)
def test_layers_are_typed_by_their_bytes(tmp_path: Path, compression: Compression, suffix: str) -> None:
    packed = bytes(compressor(compression).pack(A))
    path = archive_of(tmp_path / "x.tar", [item("c", "l")], {"c": config_of(A), "l": packed})
    archive = DockerArchive(path)
    (layer,) = manifest_of(archive, archive.resolve(None)).layers
    assert layer == describe(packed, OCI_LAYER + suffix)
    assert b"".join(archive.open_blob(layer)) == packed


def test_an_archive_of_several_images_wants_a_name(tmp_path: Path) -> None:
    items = [item("c", "l", tags=["hello:1"]), item("d", tags=["other:1"])]
    archive = DockerArchive(archive_of(tmp_path / "x.tar", items, {"c": config_of(A), "l": A, "d": config_of()}))
    with pytest.raises(UsageError, match="holds several images") as caught:
        archive.resolve(None)
    assert caught.value.hint == "name one of: docker.io/library/hello:1, docker.io/library/other:1"
    with pytest.raises(NotFoundError):
        archive.resolve("none:1")
    with pytest.raises(NotFoundError):
        archive.resolve(str(sha256(b"none")))
    with pytest.raises(NotFoundError):
        list(archive.open_blob(describe(b"none", OCI_LAYER)))
    with pytest.raises(NotFoundError):
        archive.read_manifest(describe(b"none", OCI_MANIFEST))


def test_an_image_without_a_name_is_found_as_the_only_one(tmp_path: Path) -> None:
    archive = DockerArchive(archive_of(tmp_path / "x.tar", [item("c", "l")], {"c": config_of(A), "l": A}))
    (entry,) = archive.entries()
    assert (entry.reference, entry.tag, entry.descriptor) == (None, None, archive.resolve(None))


def test_a_layer_that_is_not_its_diff_id_is_refused_when_it_is_read(tmp_path: Path) -> None:
    archive = DockerArchive(archive_of(tmp_path / "x.tar", [item("c", "l")], {"c": config_of(A), "l": B}))
    (layer,) = manifest_of(archive, archive.resolve(None)).layers
    with pytest.raises(IntegrityError, match=str(sha256(A))):
        list(archive.open_blob(layer))


@pytest.mark.parametrize(
    ("manifest", "kind"),
    [
        ([item("none", "l")], IntegrityError),
        ([item("c", "none")], IntegrityError),
        ([item("c", "l", "l")], IntegrityError),
        ([item("c", "../../etc/passwd")], IntegrityError),
        ([{"Config": "c"}], IntegrityError),
        ([{"Layers": ["l"]}], IntegrityError),
        ([{"Config": "c", "Layers": "l"}], IntegrityError),
        ([{"Config": "c", "Layers": [["l"]]}], IntegrityError),
        ([{"Config": "c", "Layers": ["l"], "RepoTags": {"a": "b"}}], IntegrityError),
        ([7], IntegrityError),
        ({}, IntegrityError),
        ([item("l", "l")], IntegrityError),
    ],
)
def test_a_malformed_archive_is_refused(tmp_path: Path, manifest: Any, kind: type[OcibuildError]) -> None:
    path = save(tmp_path / "x.tar", {"c": config_of(A), "l": A, "manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(kind):
        DockerArchive(path)


def test_an_empty_archive_holds_no_image(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no image"):
        DockerArchive(archive_of(tmp_path / "x.tar", [], {})).resolve(None)


def test_a_tar_that_is_no_docker_archive_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is no docker archive: it has no manifest\.json"):
        DockerArchive(save(tmp_path / "x.tar", {"a": b"a"}))


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZIP, Compression.ZSTD])
def test_what_is_written_is_read_again(layout: Layout, tmp_path: Path, compression: Compression) -> None:
    image = add_image(layout, A, B, compression=compression)
    write_docker_archive(tmp_path / "x.tar", layout, image, [HELLO, parse_reference("hello"), HELLO.with_tag("2")])
    archive = DockerArchive(tmp_path / "x.tar")
    assert [str(entry) for entry in archive.entries()] == ["ghcr.io/o/hello:1", "ghcr.io/o/hello:2"]
    manifest = manifest_of(archive, archive.resolve("1"))
    assert [b"".join(archive.open_blob(layer)) for layer in manifest.layers] == [A, B]
    assert manifest.config.digest == manifest_of(layout, image).config.digest


def test_equal_images_give_equal_bytes_whatever_their_packing(layout: Layout, tmp_path: Path) -> None:
    for compression in (Compression.GZIP, Compression.ZSTD):
        image = add_image(layout, A, B, A, compression=compression)
        write_docker_archive(tmp_path / compression.value, layout, image, [HELLO])
    assert (tmp_path / "gzip").read_bytes() == (tmp_path / "zstd").read_bytes()
    with tarfile.open(tmp_path / "gzip") as tar:
        assert len(tar.getnames()) == 4
        content = tar.extractfile("manifest.json")
        assert content is not None
        assert len(json.load(content)[0]["Layers"]) == 3


def test_an_index_is_refused_with_what_to_do(layout: Layout, tmp_path: Path) -> None:
    index = add_index(layout, add_image(layout, A), add_image(layout, B, platform=parse_platform("linux/arm64")))
    with pytest.raises(UsageError, match="several") as caught:
        write_docker_archive(tmp_path / "x.tar", layout, index)
    assert "--platform" in str(caught.value.hint)
    assert not (tmp_path / "x.tar").exists()


def image_of(layout: Layout, layer: Descriptor, config: bytes) -> Descriptor:
    manifest = {
        "schemaVersion": 2,
        "config": layout.put_bytes(config, Format.OCI.config).to_json(),
        "layers": [layer.to_json()],
    }
    return layout.put_bytes(json.dumps(manifest).encode(), OCI_MANIFEST)


def test_what_is_no_image_is_refused(layout: Layout, tmp_path: Path) -> None:
    artifact = image_of(layout, layout.put_bytes(b"text", "text/plain"), config_of(A))
    with pytest.raises(UsageError, match="text/plain"):
        write_docker_archive(tmp_path / "x.tar", layout, artifact)


@pytest.mark.parametrize("config", [config_of(B), config_of(A, B), b"[]"])
def test_an_image_that_contradicts_itself_leaves_no_archive(layout: Layout, tmp_path: Path, config: bytes) -> None:
    image = image_of(layout, layout.put_bytes(A, OCI_LAYER), config)
    with pytest.raises(IntegrityError):
        write_docker_archive(tmp_path / "x.tar", layout, image)
    assert [path.name for path in tmp_path.iterdir()] == ["layout"]


def test_a_config_beyond_all_memory_is_not_read(layout: Layout, tmp_path: Path) -> None:
    manifest = manifest_of(layout, add_image(layout, A))
    document = {
        "schemaVersion": 2,
        "config": replace(manifest.config, size=2**62).to_json(),
        "layers": [layer.to_json() for layer in manifest.layers],
    }
    image = layout.put_bytes(json.dumps(document).encode(), OCI_MANIFEST)
    with pytest.raises(IntegrityError, match=str(2**62)):
        write_docker_archive(tmp_path / "x.tar", layout, image)


@pytest.mark.peer("skopeo", "umoci")
def test_skopeo_reads_what_we_write(layout: Layout, tmp_path: Path) -> None:
    image = add_image(layout, A, B)
    write_docker_archive(tmp_path / "x.tar", layout, image, [HELLO])
    skopeo("copy", f"docker-archive:{tmp_path}/x.tar:{HELLO}", f"oci:{tmp_path}/copied:1")
    umoci("unpack", "--image", f"{tmp_path}/copied:1", tmp_path / "bundle")
    assert sorted(path.name for path in (tmp_path / "bundle/rootfs").iterdir()) == ["a", "b"]
    skopeo("inspect", f"docker-archive:{tmp_path}/x.tar")


@pytest.mark.peer("skopeo")
def test_we_read_what_skopeo_writes(layout: Layout, tmp_path: Path) -> None:
    image = add_image(layout, A, B)
    layout.name(image, tag="1")
    skopeo("copy", f"oci:{layout.path}:1", f"docker-archive:{tmp_path}/x.tar:ghcr.io/o/hello:2")
    archive = DockerArchive(tmp_path / "x.tar")
    manifest = manifest_of(archive, archive.resolve("ghcr.io/o/hello:2"))
    assert manifest.config.digest == manifest_of(layout, image).config.digest
    assert [b"".join(archive.open_blob(layer)) for layer in manifest.layers] == [A, B]


@pytest.mark.peer("podman")
def test_podman_loads_what_we_write(layout: Layout, tmp_path: Path, podman: Podman) -> None:
    image = add_image(layout, A, B)
    write_docker_archive(tmp_path / "x.tar", layout, image, [HELLO])
    podman("load", "--quiet", "--input", tmp_path / "x.tar")
    found = podman("inspect", "--format", "{{.Id}}", str(HELLO)).stdout.strip()
    assert found == manifest_of(layout, image).config.digest.encoded
