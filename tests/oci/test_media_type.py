"""Media types of the two families (image-spec media-types.md; Docker image manifest v2, schema 2)."""

from __future__ import annotations

import pytest

from ocibuild.errors import UsageError
from ocibuild.oci.media_type import (
    ACCEPTED,
    DOCKER_CONFIG,
    OCI_CONFIG,
    OCI_EMPTY,
    Compression,
    Format,
    compression_of,
    family_of,
    is_foreign,
    is_layer,
    layer_type,
)
from tests.oci import messages

NONE, GZIP, ZSTD = Compression.NONE, Compression.GZIP, Compression.ZSTD
OCI, DOCKER = Format.OCI, Format.DOCKER

# media type -> family, compression, foreign; spelt out, so that a slip in a constant shows
LAYERS = {
    "application/vnd.oci.image.layer.v1.tar": (OCI, NONE, False),
    "application/vnd.oci.image.layer.v1.tar+gzip": (OCI, GZIP, False),
    "application/vnd.oci.image.layer.v1.tar+zstd": (OCI, ZSTD, False),
    "application/vnd.oci.image.layer.nondistributable.v1.tar": (OCI, NONE, True),
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": (OCI, GZIP, True),
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": (OCI, ZSTD, True),
    "application/vnd.docker.image.rootfs.diff.tar": (DOCKER, NONE, False),
    "application/vnd.docker.image.rootfs.diff.tar.gzip": (DOCKER, GZIP, False),
    "application/vnd.docker.image.rootfs.diff.tar.zstd": (DOCKER, ZSTD, False),
    "application/vnd.docker.image.rootfs.foreign.diff.tar": (DOCKER, NONE, True),
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": (DOCKER, GZIP, True),
    "application/vnd.docker.image.rootfs.foreign.diff.tar.zstd": (DOCKER, ZSTD, True),
}


@pytest.mark.parametrize(("media_type", "facts"), LAYERS.items())
def test_layer_types_are_read(media_type: str, facts: tuple[Format, Compression, bool]) -> None:
    family, compression, foreign = facts
    assert is_layer(media_type)
    assert family_of(media_type) is family
    assert compression_of(media_type) is compression
    assert is_foreign(media_type) is foreign


WRITTEN = [(media_type, *facts) for media_type, facts in LAYERS.items() if facts[0] is OCI or facts[1] is GZIP]


@pytest.mark.parametrize(("media_type", "family", "compression", "foreign"), WRITTEN)
def test_layer_types_are_written(media_type: str, family: Format, compression: Compression, foreign: bool) -> None:
    assert layer_type(family, compression, foreign=foreign) == media_type


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("compression", [NONE, ZSTD])
def test_docker_has_no_portable_type_but_gzip(compression: Compression, foreign: bool) -> None:
    with pytest.raises(UsageError, match=f"compression '{compression.value}'") as caught:
        layer_type(DOCKER, compression, foreign=foreign)
    assert caught.value.hint == "use `compression: gzip`, or `format: oci`"
    messages.check(caught.value)


@pytest.mark.parametrize("family", Format)
def test_no_layer_is_declared_as_xz(family: Format) -> None:
    with pytest.raises(UsageError, match="xz"):
        layer_type(family, Compression.XZ)


FAMILIES = {
    "application/vnd.oci.image.index.v1+json": OCI,
    "application/vnd.oci.image.manifest.v1+json": OCI,
    "application/vnd.oci.image.config.v1+json": OCI,
    "application/vnd.docker.distribution.manifest.list.v2+json": DOCKER,
    "application/vnd.docker.distribution.manifest.v2+json": DOCKER,
    "application/vnd.docker.container.image.v1+json": DOCKER,
    OCI_EMPTY: None,
    "application/vnd.docker.distribution.manifest.v1+prettyjws": None,
    "application/vnd.in-toto+json": None,
    "application/octet-stream": None,
    "": None,
}


@pytest.mark.parametrize(("media_type", "family"), FAMILIES.items())
def test_documents_belong_to_a_family(media_type: str, family: Format | None) -> None:
    assert family_of(media_type) is family
    assert not is_layer(media_type)
    assert not is_foreign(media_type)
    with pytest.raises(UsageError, match="is not a layer's media type"):
        compression_of(media_type)


@pytest.mark.parametrize("family", Format)
def test_a_family_is_closed(family: Format) -> None:
    assert {family_of(text) for text in (family.index, family.manifest, family.config)} == {family}


def test_every_manifest_type_is_asked_for_and_no_other() -> None:
    assert set(ACCEPTED) == {text for family in Format for text in (family.index, family.manifest)}
    assert not {OCI_CONFIG, DOCKER_CONFIG} & set(ACCEPTED)
