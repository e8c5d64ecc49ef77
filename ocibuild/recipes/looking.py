"""What is in a place, and what an image is. No layer is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ocibuild.graph import Node, find_image, platforms_of, read_configs, read_graph
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig
from ocibuild.oci.location import LocalLocation, Location, RegistryLocation, name_in
from ocibuild.oci.platform import Platform
from ocibuild.recipes.places import Places
from ocibuild.store.naming import Entry
from ocibuild.store.places import open_location


def digest(location: Location, places: Places, *, platform: Platform | None = None) -> Digest:
    """The digest of what a name leads to; with `platform`, of that one image out of an index."""
    reader = places.reader(location)
    top = reader.resolve(name_in(location))
    return (find_image(reader, top, platform) if platform else top).digest


def tags(location: RegistryLocation, places: Places) -> tuple[str, ...]:
    """All tags of a repository, sorted."""
    return places.repository(location.reference).tags()


def images(location: LocalLocation) -> tuple[tuple[Entry, tuple[Platform, ...]], ...]:
    """The images of a layout or an archive, each with its platforms."""
    reader = open_location(location)
    return tuple((entry, platforms_of(reader, entry.descriptor)) for entry in reader.entries())


@dataclass(frozen=True, slots=True)
class Inspection:
    """An image as it is: its documents, and the configs of those that are runnable images, by digest."""

    location: Location
    root: Node
    configs: Mapping[Digest, ImageConfig]


def inspect(location: Location, places: Places, *, platform: Platform | None = None) -> Inspection:
    """Read all documents of an image; no layer is opened."""
    reader = places.reader(location)
    root = find_graph(reader, location, platform)
    return Inspection(location, root, read_configs(reader, root))


def find_graph(reader: ImageReader, location: Location, platform: Platform | None) -> Node:
    """The documents of the image at a location, or of its one image for `platform`."""
    top = reader.resolve(name_in(location))
    return read_graph(reader, find_image(reader, top, platform) if platform else top)
