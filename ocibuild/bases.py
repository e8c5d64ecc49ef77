"""Base images: the manifest and config for one platform, read through the ports. Layers are not touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ocibuild.errors import BuildError, NotFoundError, OcibuildError
from ocibuild.findings import Place
from ocibuild.graph import find_manifest, read_config
from ocibuild.image import BaseImage
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.location import Location, RegistryLocation
from ocibuild.oci.platform import Platform
from ocibuild.plan import Origin


@contextmanager
def asked_for_at(place: Origin | Place | None) -> Iterator[None]:
    """What goes wrong with a base says where it is asked for, besides where it was met."""
    try:
        yield
    except OcibuildError as error:
        if place is not None:
            error.where = f"{error.where}, for the base at {place}" if error.where else str(place)
        raise


def read_base(reader: ImageReader, top: Descriptor, location: Location, platform: Platform) -> BaseImage:
    """The base for `platform` out of `top`, which is what `location` leads to.

    BuildError, saying which platforms there are, if it has none for it.
    """
    try:
        _, manifest = find_manifest(reader, top, platform)
    except NotFoundError as error:
        raise BuildError(f"the base {location} has no image for {platform}", hint=error.hint) from error
    config = read_config(reader, manifest)
    if not platform.is_same_as(config.platform) and not _is_unasked_variant(platform, config.platform):
        raise BuildError(
            f"the base {location} is for {config.platform}, not for {platform}",
            hint="drop that platform, or give it a base of its own: `base: {PLATFORM: REFERENCE}`",
        )
    qualified = location.reference.or_latest() if isinstance(location, RegistryLocation) else None
    return BaseImage(manifest, config, top.digest, _without_digest(str(qualified)) if qualified else None)


def _without_digest(name: str) -> str:
    # annotations.md: base.name is a reference; the digest has an annotation of its own.
    return name.partition("@")[0]


def _is_unasked_variant(wanted: Platform, found: Platform) -> bool:
    return wanted.variant is None and (wanted.os, wanted.architecture) == (found.os, found.architecture)
