"""Images that were built apart, one platform a runner, under one index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ocibuild.errors import BuildError, UsageError
from ocibuild.graph import Node, read_config, read_graph
from ocibuild.image import index_over
from ocibuild.oci.blobs import ImagePlace, ImageReader
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.documents import Manifest, parse_document
from ocibuild.oci.location import LayoutLocation, Location, RegistryLocation, name_in
from ocibuild.oci.media_type import DOCKER_CONFIG, OCI_CONFIG, Format, family_of
from ocibuild.oci.platform import Platform
from ocibuild.recipes.places import Places
from ocibuild.recipes.pushing import UPLOADS
from ocibuild.store.layout import Layout
from ocibuild.store.naming import IMAGE_NAME, REF_NAME
from ocibuild.transfer import Manner, transfer

NAME_ANNOTATIONS = (REF_NAME, IMAGE_NAME)


def create_index(
    destination: Location,
    sources: Sequence[Location],
    places: Places,
    *,
    annotations: Mapping[str, str] | None = None,
    jobs: int = UPLOADS,
) -> Descriptor:
    """Put one index over the images of all `sources` (an index counts as its images) at `destination`; what is missing there
    is copied, or mounted.

    The index is annotated with what all images say alike (their description, say), and `annotations` on top. BuildError for
    two images of one platform, or of both families.
    """
    readers = [places.reader(source) for source in sources]
    found = [
        (reader, node) for reader, source in zip(readers, sources, strict=True) for node in _images(reader, source)
    ]
    children = [_child(reader, node) for reader, node in found]
    _refuse_twins(children)
    family = _family(children)
    shared = {**_shared([node for _, node in found]), **(annotations or {})}
    if shared and family is Format.DOCKER:
        raise BuildError("a docker manifest list has no annotations", hint="build the images with `format: oci`")
    raw = index_over(children, family, shared)
    index = describe(raw, family.index)
    sink, names = _sink(destination, places)
    manner = Manner(jobs, places.emit)
    for reader, node in found:
        transfer(node, reader, sink, (), manner)
    transfer(Node(index, parse_document(raw, family.index, subject="the new index")), readers[0], sink, names, manner)
    return index


def _images(reader: ImageReader, source: Location) -> Iterator[Node]:
    """The single images that a source leads to."""
    for node, _ in read_graph(reader, reader.resolve(name_in(source))).manifests():
        yield node


def _child(reader: ImageReader, node: Node) -> Descriptor:
    """How the index names an image: its config says for which platform it is."""
    manifest = node.document
    assert isinstance(manifest, Manifest)
    platform = node.descriptor.platform
    if platform is None and manifest.config.media_type in (OCI_CONFIG, DOCKER_CONFIG):
        platform = read_config(reader, manifest).platform
    kept = {key: value for key, value in node.descriptor.annotations.items() if key not in NAME_ANNOTATIONS}
    return replace(node.descriptor, platform=platform, annotations=kept, artifact_type=manifest.artifact_type)


def _refuse_twins(children: Sequence[Descriptor]) -> None:
    known: dict[Platform, Descriptor] = {}
    for child in children:
        if child.platform is None or child.platform.os == "unknown":
            continue
        twin = known.setdefault(child.platform, child)
        if twin.digest != child.digest:
            raise BuildError(
                f"there are two images for {child.platform}",
                where=f"{twin.digest} and {child.digest}",
                hint="an index has one for each platform; leave one out",
            )


def _family(children: Sequence[Descriptor]) -> Format:
    families = {family_of(child.media_type) for child in children}
    if len(families) != 1 or None in families:
        raise BuildError(
            "images of the OCI and of the docker format cannot be in one index",
            hint="build all of them with the same `format`",
        )
    return Format.DOCKER if Format.DOCKER in families else Format.OCI


def _shared(nodes: Sequence[Node]) -> dict[str, str]:
    """The annotations that all images have alike: GHCR shows those of the index, and the index is new."""
    first, *others = [node.document.annotations for node in nodes]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _sink(destination: Location, places: Places) -> tuple[ImagePlace, tuple[str, ...]]:
    if isinstance(destination, RegistryLocation):
        reference = destination.reference
        return places.repository(reference), (reference.tag,) if reference.tag else ()
    if isinstance(destination, LayoutLocation):
        return Layout.create(destination.path, emit=places.emit), (destination.name,) if destination.name else ()
    raise UsageError(f"{destination} is no place for an index", hint="name HOST/REPOSITORY:TAG or oci:DIR:TAG")
