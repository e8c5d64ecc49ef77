"""Small images to store: honest ones, whose layers, diff_ids and platforms agree."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from ocibuild.oci.codec import encode
from ocibuild.oci.compression import compressor
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import sha256
from ocibuild.oci.media_type import Compression, Format, layer_type
from ocibuild.oci.platform import Platform, parse_platform
from ocibuild.store.layout import Layout

AMD64 = parse_platform("linux/amd64")


def layer_tar(*names: str) -> bytes:
    """A tar of small files; the content of each is its name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    return buffer.getvalue()


def add_image(
    layout: Layout,
    *layers: bytes,
    platform: Platform = AMD64,
    compression: Compression = Compression.GZIP,
    family: Format = Format.OCI,
) -> Descriptor:
    """Puts an image of these layer tars into `layout`, without a name."""
    packer, layer_media_type = compressor(compression), layer_type(family, compression)
    blobs = [layout.put_bytes(bytes(packer.pack(layer)), layer_media_type) for layer in layers]
    config = {
        **platform.to_json(),
        "rootfs": {"type": "layers", "diff_ids": [str(sha256(layer)) for layer in layers]},
        "history": [{"created_by": "test"} for _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": family.manifest,
        "config": layout.put_bytes(encode(config), family.config).to_json(),
        "layers": [blob.to_json() for blob in blobs],
    }
    return layout.put_bytes(encode(manifest), family.manifest)


def add_index(layout: Layout, *children: Descriptor, family: Format = Format.OCI) -> Descriptor:
    """Puts an index of `children` into `layout`, without a name."""
    document = {
        "schemaVersion": 2,
        "mediaType": family.index,
        "manifests": [child.to_json() for child in children],
    }
    return layout.put_bytes(encode(document), family.index)


def blob_file(layout: Layout, descriptor: Descriptor) -> Path:
    return layout.path / "blobs" / descriptor.digest.algorithm / descriptor.digest.encoded


def overwrite(path: Path, content: bytes) -> None:
    """Edits a blob in place, as nobody should."""
    path.chmod(0o644)
    path.write_bytes(content)


def files_below(directory: Path) -> dict[str, bytes]:
    """Each file with its content, by its relative path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
