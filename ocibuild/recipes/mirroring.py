"""Whole repositories: all their tags into another repository or a layout."""

from __future__ import annotations

from ocibuild.errors import UsageError
from ocibuild.events import Stage
from ocibuild.graph import read_graph
from ocibuild.oci.blobs import BlobSource, ImageSink, Outcome
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.location import LayoutLocation, Location, RegistryLocation
from ocibuild.oci.reference import Reference
from ocibuild.oci.referrers import is_referrers_tag
from ocibuild.recipes.companions import ALONE, Along, Company, carry
from ocibuild.recipes.places import Places
from ocibuild.recipes.pushing import UPLOADS
from ocibuild.store.layout import Layout
from ocibuild.transfer import Manner, transfer


def copy_tags(
    source: Location, destination: Location, places: Places, *, along: Along = ALONE, jobs: int = UPLOADS
) -> tuple[Reference, ...]:
    """Copy all that has a tag in a repository, digests unchanged; what it is called at the destination, with its digest.

    In a layout images keep their full references. Lists of referrers (`sha256-...`) are not copied as they are: what they
    list is, and the destination lists it in its own way. UsageError unless whole repositories, or a layout, are named.
    """
    repository = _whole(source)
    reader = places.repository(repository)
    target, sink, stage = _sink(destination, repository, places)
    manner = Manner(jobs, places.emit, stage)
    tags = reader.tags()
    copied = []
    for tag in sorted(tags, key=is_referrers_tag):  # what refers to an image comes after it
        company = Company(reader, tags, along, places.emit)
        if is_referrers_tag(tag):
            for companion in company.in_list(tag):
                transfer(companion.root, reader, sink, companion.tags, manner)
            continue
        root = read_graph(reader, reader.resolve(tag))
        name = target.with_tag(tag)
        carry(root, (tag if stage is Stage.SEND else str(name),), company, sink, manner)
        copied.append(Reference(name.host, name.repository, tag, root.descriptor.digest))
    return tuple(copied)


class _Once:
    """A sink that is not asked twice to hold a blob: a layout reads what it holds each time to be sure of it."""

    def __init__(self, sink: ImageSink) -> None:
        self._sink = sink
        self._held: set[Digest] = set()

    def put_blob(self, source: BlobSource) -> Outcome:
        if source.descriptor.digest in self._held:
            return Outcome.EXISTS
        outcome = self._sink.put_blob(source)
        self._held.add(source.descriptor.digest)
        return outcome

    def put_manifest(self, descriptor: Descriptor, raw: bytes) -> Outcome:
        return self._sink.put_manifest(descriptor, raw)

    def tag(self, descriptor: Descriptor, raw: bytes, name: str) -> Outcome:
        return self._sink.tag(descriptor, raw, name)


def _whole(location: Location) -> Reference:
    if not isinstance(location, RegistryLocation) or location.reference.tag or location.reference.digest:
        raise UsageError(
            f"{location} is no whole repository, of which all tags could be copied",
            hint="name HOST/REPOSITORY, without tag or digest",
        )
    return location.reference


def _sink(destination: Location, source: Reference, places: Places) -> tuple[Reference, ImageSink, Stage]:
    if isinstance(destination, RegistryLocation):
        target = _whole(destination)
        return target, places.repository(target), Stage.SEND
    if isinstance(destination, LayoutLocation) and destination.name is None:
        return source, _Once(Layout.create(destination.path, emit=places.emit)), Stage.FETCH
    raise UsageError(
        f"{destination} is no place for all tags of a repository", hint="name HOST/REPOSITORY, or a layout as oci:DIR"
    )
