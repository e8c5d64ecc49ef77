"""Small valid images to fill a registry with."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .contents import digest_of
from .manifests import OCI_INDEX, OCI_MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Image:
    """One manifest with its config and layers, as bytes."""

    manifest: bytes
    config: bytes
    layers: tuple[bytes, ...]
    platform: Mapping[str, str]
    media_type: str = OCI_MANIFEST

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        return (*self.layers, self.config)

    @property
    def children(self) -> tuple[Image, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class SampleIndex:
    """An index and the images that it lists."""

    manifest: bytes
    children: tuple[Image, ...]
    media_type: str = OCI_INDEX

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        return ()


def layer_of(files: Mapping[str, bytes]) -> bytes:
    """A gzip-compressed tar of these files; equal input gives equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def image_of(
    layers: Sequence[bytes] = (), /, *, os: str = "linux", architecture: str = "amd64", **manifest_fields: object
) -> Image:
    """An image of gzip-compressed layers (one small layer when none is given), with further manifest fields."""
    blobs = tuple(layers) or (layer_of({"hello": f"hello from {architecture}\n".encode()}),)
    diff_ids = ["sha256:" + hashlib.sha256(gzip.decompress(blob)).hexdigest() for blob in blobs]
    config = as_json(
        {
            "architecture": architecture,
            "os": os,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created": "1970-01-01T00:00:00Z"} for _ in blobs],
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor_of(config, CONFIG),
        "layers": [descriptor_of(blob, LAYER) for blob in blobs],
        **manifest_fields,
    }
    return Image(as_json(manifest), config, blobs, {"os": os, "architecture": architecture})


def index_of(*images: Image) -> SampleIndex:
    manifests = [{**descriptor_of(image.manifest, image.media_type), "platform": image.platform} for image in images]
    return SampleIndex(as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}), images)


def descriptor_of(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def as_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
