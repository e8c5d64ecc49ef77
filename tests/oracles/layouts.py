"""Reads an OCI image layout by the two specifications and nothing else, and believes no number in it.

`read_layout` follows every descriptor from index.json down, and raises `BrokenLayoutError` at the first thing that is
not what was promised: a size, a digest, a diff_id, a count of history entries, a platform.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

Document = dict[str, Any]

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
INDEXES = {f"{OCI}.index.v1+json", f"{DOCKER}.distribution.manifest.list.v2+json"}
# Each kind of manifest with the one media type that the config of an image has under it.
CONFIG_OF = {
    f"{OCI}.manifest.v1+json": f"{OCI}.config.v1+json",
    f"{DOCKER}.distribution.manifest.v2+json": f"{DOCKER}.container.image.v1+json",
}
COMPRESSION_OF = {
    f"{OCI}.layer.v1.tar": "none",
    f"{OCI}.layer.v1.tar+gzip": "gzip",
    f"{OCI}.layer.v1.tar+zstd": "zstd",
    f"{OCI}.layer.nondistributable.v1.tar": "none",
    f"{OCI}.layer.nondistributable.v1.tar+gzip": "gzip",
    f"{OCI}.layer.nondistributable.v1.tar+zstd": "zstd",
    f"{DOCKER}.image.rootfs.diff.tar": "none",
    f"{DOCKER}.image.rootfs.diff.tar.gzip": "gzip",
    f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip": "gzip",
}
MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
# What a descriptor's platform and a config say alike (image-spec, image-index.md and config.md).
PLATFORM_KEYS = ("os", "architecture", "variant", "os.version", "os.features")
REF_NAME = "org.opencontainers.image.ref.name"
CHUNK = 1 << 20


class BrokenLayoutError(AssertionError):
    """The layout does not hold what it says."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: its descriptor, what its config says of it, and its file, which a foreign layer need not have."""

    descriptor: Document
    diff_id: str
    blob: Path

    @property
    def media_type(self) -> str:
        return str(self.descriptor["mediaType"])

    @property
    def is_foreign(self) -> bool:
        return "nondistributable" in self.media_type or ".foreign." in self.media_type

    @contextmanager
    def uncompressed(self) -> Iterator[BinaryIO]:
        """The tar stream."""
        with self.blob.open("rb") as raw, closing(_decompress(raw, COMPRESSION_OF[self.media_type])) as stream:
            yield stream

    def entries(self) -> list[tarfile.TarInfo]:
        """The tar entries, in the order of the stream."""
        with self.uncompressed() as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            return list(tar)

    def contents(self) -> dict[str, bytes]:
        """Each regular file of the layer, by name. For small layers."""
        with self.uncompressed() as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            return {entry.name: cast("BinaryIO", tar.extractfile(entry)).read() for entry in tar if entry.isreg()}


@dataclass(frozen=True, slots=True)
class Image:
    """One manifest. `names` are the ref names on the way from index.json, `indexes` the indexes, outermost first."""

    descriptor: Document
    manifest: Document
    config: Document
    layers: tuple[Layer, ...]
    names: tuple[str, ...]
    indexes: tuple[Document, ...]

    @property
    def digest(self) -> str:
        return str(self.descriptor["digest"])

    @property
    def platform(self) -> str:
        """`os/architecture[/variant]`, by the config."""
        return "/".join(self.config[key] for key in PLATFORM_KEYS[:3] if self.config.get(key))


def read_layout(directory: Path) -> list[Image]:
    """Every image in a layout, in the order of its indexes, with all that is promised of it checked."""
    marker = json.loads((directory / "oci-layout").read_bytes())
    _check(marker == {"imageLayoutVersion": "1.0.0"}, f"oci-layout is {marker}")
    index = json.loads((directory / "index.json").read_bytes())
    _check_document(index, "index.json", INDEXES)
    return [image for child in index["manifests"] for image in _read(directory, child, (), ())]


def image_for(images: list[Image], platform: str) -> Image:
    """The one image for a platform such as `linux/arm64/v8`."""
    matching = [image for image in images if image.platform == platform]
    _check(len(matching) == 1, f"{len(matching)} images for {platform} among {[image.platform for image in images]}")
    return matching[0]


def unreferenced_blobs(directory: Path) -> set[str]:
    """Files under blobs/ that no image of the layout refers to: leftovers."""
    used = set()
    for image in read_layout(directory):
        blobs = [image.descriptor, image.manifest["config"], *(layer.descriptor for layer in image.layers)]
        used |= {blob["digest"] for blob in blobs}
    index = json.loads((directory / "index.json").read_bytes())
    used |= set(_index_digests(directory, index))
    return {f"{file.parent.name}:{file.name}" for file in (directory / "blobs").glob("*/*")} - used


def _index_digests(directory: Path, index: Document) -> Iterator[str]:
    for child in index["manifests"]:
        if child["mediaType"] in INDEXES:
            yield child["digest"]
            yield from _index_digests(directory, json.loads(_blob(directory, child).read_bytes()))


def _read(
    directory: Path, descriptor: Document, names: tuple[str, ...], indexes: tuple[Document, ...]
) -> Iterator[Image]:
    where = f"{descriptor['mediaType']} {descriptor['digest']}"
    document = json.loads(_checked_blob(directory, descriptor).read_bytes())
    _check_document(document, where, {descriptor["mediaType"]})
    if REF_NAME in descriptor.get("annotations", {}):
        names = (*names, descriptor["annotations"][REF_NAME])
    if descriptor["mediaType"] in INDEXES:
        for child in document["manifests"]:
            yield from _read(directory, child, names, (*indexes, document))
    else:
        yield _read_image(directory, descriptor, document, names, indexes)


def _read_image(
    directory: Path, descriptor: Document, manifest: Document, names: tuple[str, ...], indexes: tuple[Document, ...]
) -> Image:
    where = str(descriptor["digest"])
    expected = CONFIG_OF.get(descriptor["mediaType"])
    _check(expected is not None, f"{where}: a manifest of type {descriptor['mediaType']}")
    _check(manifest["config"]["mediaType"] == expected, f"{where}: config is {manifest['config']['mediaType']}")
    config = json.loads(_checked_blob(directory, manifest["config"]).read_bytes())
    _check_config(config, manifest, where)
    _check_platform(descriptor, config, where)
    pairs = zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
    layers = tuple(Layer(layer, diff_id, _blob(directory, layer)) for layer, diff_id in pairs)
    for layer in layers:
        _check_layer(directory, layer)
    return Image(descriptor, manifest, config, layers, names, indexes)


def _check_document(document: Document, where: str, media_types: set[str]) -> None:
    """OCI documents may leave their own mediaType out (manifest.md: SHOULD), Docker's may not."""
    _check(document.get("schemaVersion") == 2, f"{where}: schemaVersion is {document.get('schemaVersion')!r}")
    own = document.get("mediaType")
    may_be_absent = any(media_type.startswith(OCI) for media_type in media_types)
    _check(own in media_types or (own is None and may_be_absent), f"{where}: its own mediaType is {own!r}")


def _check_config(config: Document, manifest: Document, where: str) -> None:
    rootfs, layers = config["rootfs"], manifest["layers"]
    _check(rootfs["type"] == "layers", f"{where}: rootfs type {rootfs['type']!r}")
    _check(len(rootfs["diff_ids"]) == len(layers), f"{where}: {len(rootfs['diff_ids'])} diff_ids, {len(layers)} layers")
    history = [entry for entry in config.get("history", ()) if not entry.get("empty_layer")]
    _check("history" not in config or len(history) == len(layers), f"{where}: history tells of {len(history)} layers")


def _check_platform(descriptor: Document, config: Document, where: str) -> None:
    """A descriptor need not have a platform, but what it says must be what the config says."""
    _check(bool(config.get("os")) and bool(config.get("architecture")), f"{where}: the config has no platform")
    for key in PLATFORM_KEYS if "platform" in descriptor else ():
        said, true = descriptor["platform"].get(key), config.get(key)
        _check(said == true, f"{where}: {key} is {said!r} in the descriptor, {true!r} in the config")


def _check_layer(directory: Path, layer: Layer) -> None:
    _check(layer.media_type in COMPRESSION_OF, f"{layer.descriptor['digest']}: a layer of type {layer.media_type}")
    if layer.is_foreign and not layer.blob.exists():
        _check(bool(layer.descriptor.get("urls")), f"{layer.descriptor['digest']}: a foreign layer without urls")
        return
    _checked_blob(directory, layer.descriptor)
    with layer.uncompressed() as stream:
        found = _digest(stream, layer.diff_id.partition(":")[0])
    _check(found == layer.diff_id, f"{layer.descriptor['digest']}: diff_id {layer.diff_id}, its content has {found}")


def _checked_blob(directory: Path, descriptor: Document) -> Path:
    digest, file = descriptor["digest"], _blob(directory, descriptor)
    _check(file.is_file(), f"{digest}: no such blob")
    _check(
        file.stat().st_size == descriptor["size"], f"{digest}: {file.stat().st_size} bytes, not {descriptor['size']}"
    )
    with file.open("rb") as stream:
        found = _digest(stream, digest.partition(":")[0])
    _check(found == digest, f"{digest}: the blob has {found}")
    return file


def _blob(directory: Path, descriptor: Document) -> Path:
    algorithm, _, encoded = str(descriptor["digest"]).partition(":")
    return directory / "blobs" / algorithm / encoded


def _digest(stream: BinaryIO, algorithm: str) -> str:
    _check(algorithm in {"sha256", "sha512"}, f"digest algorithm {algorithm!r}")
    hashed = hashlib.new(algorithm)
    while chunk := stream.read(CHUNK):
        hashed.update(chunk)
    return f"{algorithm}:{hashed.hexdigest()}"


def _decompress(raw: BinaryIO, compression: str) -> BinaryIO:
    """The stream inside. A media type that promises a compression which is not there is a broken promise."""
    magic = raw.peek(4)[:4]  # type: ignore[attr-defined]  # a file opened for reading has it
    found = next((name for name, start in MAGIC.items() if magic.startswith(start)), "none")
    _check(found == compression, f"{raw.name}: {found} where the media type says {compression}")
    if compression == "gzip":
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    if compression == "zstd":
        return cast("BinaryIO", zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
    return raw


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenLayoutError(what)
