"""Images from place to place, and further names for them where they are."""

from __future__ import annotations

from collections.abc import Sequence

from ocibuild.errors import UsageError
from ocibuild.events import Stage
from ocibuild.oci.blobs import ImagePlace, ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.location import (
    DockerArchiveLocation,
    LayoutLocation,
    Location,
    RegistryLocation,
    kept_name,
    name_in,
)
from ocibuild.oci.platform import Platform
from ocibuild.oci.reference import Reference, parse_tag, tag_within
from ocibuild.recipes.archives import workplace, write_archive
from ocibuild.recipes.companions import ALONE, Along, Company, carry
from ocibuild.recipes.looking import find_graph
from ocibuild.recipes.places import Places
from ocibuild.recipes.pushing import UPLOADS
from ocibuild.store.layout import Layout
from ocibuild.store.naming import full_reference
from ocibuild.store.oci_archive import write_oci_archive
from ocibuild.store.places import open_location
from ocibuild.transfer import Manner


def copy(
    source: Location,
    destination: Location,
    places: Places,
    *,
    platform: Platform | None = None,
    along: Along = ALONE,
    jobs: int = UPLOADS,
) -> Descriptor:
    """Copy an image, digests unchanged, from any place to any place; with `platform`, that one image out of an index.

    It keeps its names where the destination gives none. pull is this too. What is written into a docker-archive has no
    manifest there; the descriptor that is given is that of the source. UsageError for a destination with another digest,
    and for a docker-archive that is to take more along.
    """
    if isinstance(destination, DockerArchiveLocation) and along != ALONE:
        raise UsageError(
            f"{destination} cannot hold what refers to an image", hint="copy to oci-archive:FILE, or oci:DIR"
        )
    reader = places.reader(source)
    root = find_graph(reader, source, platform)
    company = Company(reader, _tags_in(source, places) if along.digest_tags else (), along, places.emit)
    if isinstance(destination, RegistryLocation):
        tags = _tags_at(destination.reference, source, reader, root.descriptor)
        carry(root, tags, company, places.repository(destination.reference), Manner(jobs, places.emit))
        return root.descriptor
    names = (destination.name,) if destination.name else _kept_names(source, reader)
    if not isinstance(destination, LayoutLocation) and along == ALONE:
        write_archive([(root.descriptor, names)], reader, destination)
        return root.descriptor
    with workplace(destination, places.emit) as layout:
        carry(root, names, company, layout, Manner(jobs, places.emit, Stage.FETCH))
        if not names:
            layout.name(root.descriptor)
        if not isinstance(destination, LayoutLocation):
            write_oci_archive(destination.path, layout, [entry.descriptor for entry in layout.entries()])
    return root.descriptor


def tag(source: Location, names: Sequence[str], places: Places) -> Descriptor:
    """Let further tags point to an image where it is; not a byte of it changes. Each name is a tag, or the repository with one."""
    if isinstance(source, RegistryLocation):
        place: ImagePlace = places.repository(source.reference)
        new = [tag_within(source.reference, name) for name in names]
    elif isinstance(source, LayoutLocation):
        place = Layout.open(source.path, emit=places.emit)
        new = [name if full_reference(name) else parse_tag(name) for name in names]
    else:
        raise UsageError(
            f"{source} is an archive, and archives are not changed", hint="copy it to a layout, then tag it there"
        )
    descriptor = place.resolve(name_in(source))
    raw = place.read_manifest(descriptor)
    for name in new:
        place.tag(descriptor, raw, name)
    return descriptor


def _tags_in(place: Location, places: Places) -> tuple[str, ...]:
    """All tags of the repository, layout or archive that an image is in."""
    if isinstance(place, RegistryLocation):
        return places.repository(place.reference).tags()
    return tuple(sorted({entry.tag for entry in open_location(place).entries() if entry.tag}))


def _tags_at(wanted: Reference, source: Location, reader: ImageReader, image: Descriptor) -> tuple[str, ...]:
    """The tags that a copy gets in a registry: the destination's, else (unless that names a digest) the source's own."""
    if wanted.digest not in (None, image.digest):
        raise UsageError(f"{wanted} cannot be the name of {image.digest}", hint="name a tag, or the repository alone")
    if wanted.tag or wanted.digest:
        return (wanted.tag,) if wanted.tag else ()
    names = {name: full_reference(name) for name in _kept_names(source, reader)}
    tags = (reference.tag if reference else name for name, reference in names.items())
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def _kept_names(source: Location, reader: ImageReader) -> tuple[str, ...]:
    """What the image is called where it comes from: the one name that was asked for, else all that the place has for it."""
    if isinstance(source, RegistryLocation):
        name = kept_name(source)
        return (name,) if name else ()
    digest = reader.resolve(source.name).digest
    entries = [
        entry for entry in open_location(source).entries() if entry.descriptor.digest == digest and any(entry.key)
    ]
    asked = [entry for entry in entries if source.name in (entry.tag, str(entry))]
    return tuple(dict.fromkeys(map(str, asked or entries)))
