"""Images from place to place, and further names for them where they are."""

from __future__ import annotations

from collections.abc import Sequence

from ocibuild.errors import UsageError
from ocibuild.events import Stage
from ocibuild.oci.blobs import ImagePlace
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.location import LayoutLocation, LocalLocation, Location, RegistryLocation, kept_name, name_in
from ocibuild.oci.platform import Platform
from ocibuild.oci.reference import Reference, tag_within
from ocibuild.recipes.archives import write_archive
from ocibuild.recipes.looking import find_graph
from ocibuild.recipes.places import Places
from ocibuild.recipes.pushing import UPLOADS
from ocibuild.store.layout import Layout
from ocibuild.store.naming import full_reference
from ocibuild.transfer import Manner, transfer


def copy(
    source: Location,
    destination: Location,
    places: Places,
    *,
    platform: Platform | None = None,
    jobs: int = UPLOADS,
) -> Descriptor:
    """Copy an image, digests unchanged, from any place to any place; with `platform`, that one image out of an index.

    It keeps its name where the destination gives none. pull is this too.
    """
    reader = places.reader(source)
    root = find_graph(reader, source, platform)
    if isinstance(destination, RegistryLocation):
        reference = destination.reference
        tags = (reference.tag,) if reference.tag else ()
        transfer(root, reader, places.repository(reference), tags, Manner(jobs, places.emit))
    elif isinstance(destination, LayoutLocation):
        layout = Layout.create(destination.path, emit=places.emit)
        name = destination.name or kept_name(source)
        transfer(root, reader, layout, (name,) if name else (), Manner(jobs, places.emit, Stage.FETCH))
        if name is None:
            layout.name(root.descriptor)
    else:
        write_archive([(root.descriptor, _archive_names(source, destination))], reader, destination)
    return root.descriptor


def tag(source: Location, names: Sequence[str], places: Places) -> Descriptor:
    """Let further tags point to an image where it is; not a byte of it changes. Each name is a tag, or the repository with one."""
    if isinstance(source, RegistryLocation):
        place: ImagePlace = places.repository(source.reference)
        new = [tag_within(source.reference, name) for name in names]
    elif isinstance(source, LayoutLocation):
        place, new = Layout.open(source.path, emit=places.emit), list(names)
    else:
        raise UsageError(
            f"{source} is an archive, and archives are not changed", hint="copy it to a layout, then tag it there"
        )
    descriptor = place.resolve(name_in(source))
    raw = place.read_manifest(descriptor)
    for name in new:
        place.tag(descriptor, raw, name)
    return descriptor


def _archive_names(source: Location, destination: LocalLocation) -> Sequence[Reference]:
    reference = full_reference(destination.name or kept_name(source) or "")
    return (reference,) if reference else ()
