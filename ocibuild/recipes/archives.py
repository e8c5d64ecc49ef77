"""Images into archives, by way of a layout where need be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ocibuild.errors import UsageError
from ocibuild.events import Emit
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.location import LayoutLocation, LocalLocation, OciArchiveLocation
from ocibuild.store.layout import Layout
from ocibuild.store.naming import full_reference, named
from ocibuild.store.writing import replaceable, working_directory


def write_archive(
    images: Sequence[tuple[Descriptor, Sequence[str]]], reader: ImageReader, output: LocalLocation
) -> None:
    """Write images and their names (full references, or bare tags) into one archive.

    UsageError for more than one image in a docker-archive. That knows full references only, and no other name is kept.
    """
    if isinstance(output, OciArchiveLocation):
        from ocibuild.store.oci_archive import write_oci_archive

        entries = [_entry(descriptor, name) for descriptor, names in images for name in names or (None,)]
        write_oci_archive(output.path, reader, entries)
        return
    if len(images) != 1:
        raise several_images()
    from ocibuild.store.docker_archive import write_docker_archive

    ((descriptor, names),) = images
    references = [reference for name in names if (reference := full_reference(name))]
    write_docker_archive(output.path, reader, descriptor, references)


def several_images() -> UsageError:
    """The error for more than one image in a docker-archive."""
    return UsageError("a docker-archive holds one image", hint="build one spec at a time, or use oci-archive:FILE")


def _entry(descriptor: Descriptor, name: str | None) -> Descriptor:
    reference = full_reference(name) if name else None
    return named(descriptor, reference=reference, tag=None if reference else name)


@contextmanager
def workplace(output: LocalLocation, emit: Emit) -> Iterator[Layout]:
    """The layout that is worked in: the output itself, or a temporary one beside an archive.

    UsageError where no archive can be written: the work would be for nothing.
    """
    if isinstance(output, LayoutLocation):
        yield Layout.create(output.path, emit=emit)
        return
    replaceable(Path(output.path))
    with working_directory(Path(output.path).parent) as path:
        yield Layout.create(path / "layout", emit=emit)
