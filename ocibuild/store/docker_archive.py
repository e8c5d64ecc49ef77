"""What `docker save` writes and `docker load` reads (`docker-archive:`): a config and plain layers, under a manifest.json."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ocibuild.errors import IntegrityError, NotFoundError, StoreError, UsageError
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.codec import CONFIG_LIMIT, MANIFEST_LIMIT, decode_object, encode
from ocibuild.oci.compression import sniff, unpack
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest, verified
from ocibuild.oci.documents import ImageConfig, Manifest, parse_config, parse_document
from ocibuild.oci.media_type import OCI_CONFIG, OCI_MANIFEST, Compression, Format, compression_of, is_layer, layer_type
from ocibuild.oci.reference import Reference
from ocibuild.store.naming import Entry, choose, digest_in, entry_named
from ocibuild.store.reading import OpenFile
from ocibuild.store.tar_reading import TarFiles
from ocibuild.store.tar_writing import TarWriter
from ocibuild.store.writing import output_file

_MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class _Image:
    """One item of manifest.json, with the OCI manifest that says the same."""

    manifest: bytes
    names: tuple[str, ...]
    members: dict[Digest, str]

    @property
    def descriptor(self) -> Descriptor:
        return describe(self.manifest, OCI_MANIFEST)


class DockerArchive:
    """A docker archive as an `ImageReader`. Safe to use from several threads.

    Its images have no manifests of their own; each gets the OCI manifest that its config and layers make, which is the same
    whenever the archive is read. Layers are typed by their bytes.
    """

    def __init__(self, path: str | Path) -> None:
        """StoreError where the archive cannot be read or is none; IntegrityError where it contradicts itself."""
        self.where = f"docker-archive:{path}"
        self._files = TarFiles(Path(path), where=self.where)
        self._images = [self._image(item, number) for number, item in enumerate(self._items(), 1)]
        self._members = {digest: name for image in self._images for digest, name in image.members.items()}
        self._manifests = {image.descriptor.digest: image.manifest for image in self._images}

    def entries(self) -> list[Entry]:
        """The archive's images under each of their names, in its order."""
        return [entry_named(name, image.descriptor) for image in self._images for name in (image.names or (None,))]

    def resolve(self, name: str | None) -> Descriptor:
        """The image under a full reference, a tag, or the digest of its manifest, or (None) the only one."""
        digest = digest_in(name) if name else None
        if digest is None:
            return choose(self.entries(), name, where=self.where)
        if digest not in self._manifests:
            raise NotFoundError(f"{self.where} holds no image {digest}")
        return describe(self._manifests[digest], OCI_MANIFEST)

    def open_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """A config or layer in chunks of at most 1 MiB, size and digest verified as they stream."""
        subject = f"blob {descriptor.digest} in {self.where}"
        if descriptor.digest not in self._members:
            raise NotFoundError(f"there is no {subject}")
        with self._files.open(self._members[descriptor.digest]) as (_, chunks):
            yield from verified(chunks, descriptor.digest, descriptor.size, subject=subject)

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """The manifest that was made for an image."""
        if descriptor.digest not in self._manifests:
            raise NotFoundError(f"there is no manifest {descriptor.digest} in {self.where}")
        return self._manifests[descriptor.digest]

    def blob_origins(self, descriptor: Descriptor) -> Sequence[Reference]:
        """No repository: the format has no place for them."""
        del descriptor
        return ()

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Nothing: the format has no place for them."""
        del subject, artifact_type
        return ()

    def _items(self) -> list[Any]:
        if _MANIFEST_FILE not in self._files:
            raise StoreError(
                f"{self.where} is no docker archive: it has no {_MANIFEST_FILE}",
                hint="name a file that `docker save` made; a tar of an image layout is an oci-archive:",
            )
        raw = self._read(_MANIFEST_FILE, MANIFEST_LIMIT)
        # The file holds an array; as the one value of an object it is read under the same rules as all JSON from outside.
        subject = f"{_MANIFEST_FILE} in {self.where}"
        items = decode_object(b'{"images":%b}' % raw, subject=subject).get("images")
        if not isinstance(items, list):
            raise IntegrityError(f"{subject} is not a list of images")
        return items

    def _image(self, item: Any, number: int) -> _Image:
        subject = f"image {number} in {self.where}"
        config_name, layer_names, names = _fields(item, subject)
        config = parse_config(self._read(config_name, CONFIG_LIMIT), subject=f"config of {subject}")
        layers = [self._layer(name, diff_id) for name, diff_id in _pairs(layer_names, config, subject)]
        described = describe(config.raw, OCI_CONFIG)
        members = {layer.digest: name for layer, name in zip(layers, layer_names, strict=True)}
        return _Image(_manifest(described, layers), names, {**members, described.digest: config_name})

    def _layer(self, name: str, diff_id: Digest) -> Descriptor:
        with self._open(name) as (size, chunks):
            head = next(chunks, b"")
            compression = sniff(head)
            media_type = layer_type(Format.OCI, compression)
            if compression is Compression.NONE:
                # Then the layer's digest is its diff_id, and need not be computed: it is verified when the layer is read.
                return Descriptor(media_type, diff_id, size)
            hasher = hashlib.sha256(head)
            for chunk in chunks:
                hasher.update(chunk)
            return Descriptor(media_type, Digest("sha256", hasher.hexdigest()), size)

    def _read(self, name: str, limit: int) -> bytes:
        with self._open(name) as (size, chunks):
            if size > limit:
                raise IntegrityError(f"{name} in {self.where} has {size} bytes; at most {limit} are accepted")
            return b"".join(chunks)

    def _open(self, name: str) -> AbstractContextManager[OpenFile]:
        if name not in self._files:
            raise IntegrityError(f"{self.where} names the file {name!r}, but does not have it")
        return self._files.open(name)


Item = TypeVar("Item")


def _pairs(layers: Sequence[Item], config: ImageConfig, subject: str) -> list[tuple[Item, Digest]]:
    """Each layer with its diff_id."""
    if len(layers) != len(config.diff_ids):
        raise IntegrityError(f"{subject} has {len(layers)} layers, but its config has {len(config.diff_ids)} diff_ids")
    return list(zip(layers, config.diff_ids, strict=True))


def _fields(item: Any, subject: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    fields = item if isinstance(item, dict) else {}
    config, layers, names = fields.get("Config"), fields.get("Layers") or [], fields.get("RepoTags") or []
    texts = [config, *layers, *names] if isinstance(layers, list) and isinstance(names, list) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise IntegrityError(f"{subject} has no valid Config, Layers and RepoTags")
    return str(config), tuple(layers), tuple(names)


def _manifest(config: Descriptor, layers: list[Descriptor]) -> bytes:
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
    )


def write_docker_archive(
    path: str | Path, reader: ImageReader, image: Descriptor, references: Sequence[Reference] = ()
) -> None:
    """Write the single-platform `image` from `reader`, for `docker load`, under those of `references` that have a tag.

    Layers are unpacked, and have to be what their diff_ids say. Equal images give equal bytes. UsageError for an index, and
    for what is no image. An existing file is replaced once the new one is complete.
    """
    manifest = _image_manifest(reader, image)
    subject = f"image {image.digest}"
    config = _image_config(reader, manifest)
    layers = {diff_id: layer for layer, diff_id in _pairs(manifest.layers, config, subject)}
    with output_file(Path(path)) as file:
        archive = TarWriter(file)
        archive.add(_config_name(manifest), [config.raw])
        for diff_id, layer in layers.items():
            archive.add(_layer_name(diff_id), _unpacked(reader, layer, diff_id))
        archive.add(_MANIFEST_FILE, [encode([_item(manifest, config, references)])])
        archive.finish()


def several_platforms() -> UsageError:
    """The error for an index."""
    return UsageError(
        "a docker archive holds one platform, and this image has several",
        hint="choose one with --platform, or write an oci-archive",
    )


def _image_manifest(reader: ImageReader, image: Descriptor) -> Manifest:
    document = parse_document(reader.read_manifest(image), image.media_type, subject=f"manifest {image.digest}")
    if not isinstance(document, Manifest):
        raise several_platforms()
    strange = [layer.media_type for layer in document.layers if not is_layer(layer.media_type)]
    if strange:
        raise UsageError(
            f"{image.digest} is no image that can run: a layer has the type {strange[0]}",
            hint="write an oci-archive instead",
        )
    return document


def _image_config(reader: ImageReader, manifest: Manifest) -> ImageConfig:
    subject = f"config {manifest.config.digest}"
    if manifest.config.size > CONFIG_LIMIT:
        raise IntegrityError(f"{subject} has {manifest.config.size} bytes; at most {CONFIG_LIMIT} are accepted")
    return parse_config(b"".join(reader.open_blob(manifest.config)), subject=subject)


def _item(manifest: Manifest, config: ImageConfig, references: Sequence[Reference]) -> dict[str, Any]:
    return {
        "Config": _config_name(manifest),
        "RepoTags": [str(replace(reference, digest=None)) for reference in references if reference.tag],
        "Layers": [_layer_name(diff_id) for diff_id in config.diff_ids],
    }


def _config_name(manifest: Manifest) -> str:
    return f"{manifest.config.digest.encoded}.json"


def _layer_name(diff_id: Digest) -> str:
    return f"{diff_id.encoded}/layer.tar"


def _unpacked(reader: ImageReader, layer: Descriptor, diff_id: Digest) -> Iterator[bytes]:
    subject, hasher = f"layer {layer.digest}", diff_id.hasher()
    for chunk in unpack(reader.open_blob(layer), compression_of(layer.media_type), subject=subject):
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != diff_id.encoded:
        raise IntegrityError(f"{subject} does not unpack to its diff_id", where=str(diff_id))
