"""The reader for a place on disk that a user named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocibuild.oci.location import DockerArchiveLocation, LayoutLocation, LocalLocation
from ocibuild.store.layout import Layout
from ocibuild.store.reading import LayoutReader

if TYPE_CHECKING:
    from ocibuild.store.docker_archive import DockerArchive


def open_location(location: LocalLocation) -> LayoutReader | DockerArchive:
    """The layout or archive at `location`: an `ImageReader` with `entries()`. Its `name` is for `resolve`.

    StoreError where there is nothing of this kind; IntegrityError where it is damaged.
    """
    if isinstance(location, LayoutLocation):
        return Layout.open(location.path)
    if isinstance(location, DockerArchiveLocation):
        from ocibuild.store.docker_archive import DockerArchive

        return DockerArchive(location.path)
    from ocibuild.store.oci_archive import open_oci_archive

    return open_oci_archive(location.path)
