"""Media types of the two families, and what each one is (image-spec media-types.md; Docker image manifest v2, schema 2)."""

from __future__ import annotations

from enum import Enum, StrEnum

from ocibuild.errors import UsageError, quoted

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar"

INDEXES = (OCI_INDEX, DOCKER_INDEX)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
# docker-registry answers 404 for a manifest whose type the Accept header does not name, wildcards included.
ACCEPTED = (*INDEXES, *MANIFESTS)


class Format(Enum):
    """A family of documents. One image uses one family throughout: podman, cri-o and skopeo refuse a mix."""

    OCI = "oci"
    DOCKER = "docker"

    @property
    def index(self) -> str:
        return OCI_INDEX if self is Format.OCI else DOCKER_INDEX

    @property
    def manifest(self) -> str:
        return OCI_MANIFEST if self is Format.OCI else DOCKER_MANIFEST

    @property
    def config(self) -> str:
        return OCI_CONFIG if self is Format.OCI else DOCKER_CONFIG


class Compression(StrEnum):
    """How a tar is packed. XZ is read from archives, but no layer is written or declared in it: it has no media type."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    XZ = "xz"


_SUFFIXES = {Compression.NONE: "", Compression.GZIP: "+gzip", Compression.ZSTD: "+zstd"}
_LAYERS = {
    base + (suffix.replace("+", ".") if family is Format.DOCKER else suffix): (family, compression, foreign)
    for base, family, foreign in (
        (OCI_LAYER, Format.OCI, False),
        (OCI_FOREIGN_LAYER, Format.OCI, True),
        (DOCKER_LAYER, Format.DOCKER, False),
        (DOCKER_FOREIGN_LAYER, Format.DOCKER, True),
    )
    for compression, suffix in _SUFFIXES.items()
}
_LAYER_TYPES = {facts: media_type for media_type, facts in _LAYERS.items()}


def is_layer(media_type: str) -> bool:
    """Whether this is a file system layer of either family."""
    return media_type in _LAYERS


def is_foreign(media_type: str) -> bool:
    """Whether this is a non-distributable (foreign) layer, which is described but not uploaded by default."""
    return media_type in _LAYERS and _LAYERS[media_type][2]


def compression_of(media_type: str) -> Compression:
    """How a layer of this type is packed. UsageError if it is no layer type."""
    if media_type not in _LAYERS:
        raise UsageError(f"{quoted(media_type)} is not a layer's media type")
    return _LAYERS[media_type][1]


def layer_type(family: Format, compression: Compression, *, foreign: bool = False) -> str:
    """The layer media type of `family`. UsageError for what Docker's family has no portable type for.

    `...rootfs.diff.tar.zstd` and the bare `...diff.tar` are not registered for schema 2, and podman refuses them.
    """
    if compression is Compression.XZ:
        raise UsageError("no media type exists for a layer packed with xz", hint="`extract` it into a layer instead")
    if family is Format.DOCKER and compression is not Compression.GZIP:
        raise UsageError(
            f"the docker format cannot carry a layer with compression {compression.value!r}",
            hint="use `compression: gzip`, or `format: oci`",
        )
    return _LAYER_TYPES[family, compression, foreign]


def family_of(media_type: str) -> Format | None:
    """The family that an index, manifest, config or layer type belongs to; None for any other type."""
    if media_type in _LAYERS:
        return _LAYERS[media_type][0]
    for family in Format:
        if media_type in (family.index, family.manifest, family.config):
            return family
    return None
