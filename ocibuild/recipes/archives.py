"""Images into archives."""

from __future__ import annotations

from collections.abc import Sequence

from ocibuild.errors import UsageError
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.location import LocalLocation, OciArchiveLocation
from ocibuild.oci.reference import Reference
from ocibuild.store.docker_archive import write_docker_archive
from ocibuild.store.naming import named
from ocibuild.store.oci_archive import write_oci_archive


def write_archive(
    images: Sequence[tuple[Descriptor, Sequence[Reference]]], reader: ImageReader, output: LocalLocation
) -> None:
    """Write images and their names into one archive. UsageError for more than one in a docker-archive."""
    if isinstance(output, OciArchiveLocation):
        entries = [named(descriptor, reference=name) for descriptor, names in images for name in names or (None,)]
        write_oci_archive(output.path, reader, entries)
        return
    if len(images) != 1:
        raise UsageError("a docker-archive holds one image", hint="build one spec at a time, or use oci-archive:FILE")
    ((descriptor, references),) = images
    write_docker_archive(output.path, reader, descriptor, references)
