"""Images that were built apart, one platform a runner, under one index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ocibuild.errors import BuildError, UsageError
from ocibuild.graph import Node, read_config, read_graph
from ocibuild.image import index_over
from ocibuild.oci.blobs import ImagePlace, ImageReader
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import Manifest, parse_document
from ocibuild.oci.location import LayoutLocation, Location, RegistryLocation, name_in
from ocibuild.oci.media_type import DOCKER_CONFIG, OCI_CONFIG, Format, family_of
from ocibuild.oci.platform import Platform
from ocibuild.oci.reference import parse_tag
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
    tags: Sequence[str] = (),
    annotations: Mapping[str, str] | None = None,
    jobs: int = UPLOADS,
) -> Descriptor:
    """Put one index over the images of all `sources` (an index counts as its images) at `destination`, also under `tags`; what
    is missing there is copied, or mounted.

    The index is annotated with what all images say alike (their description, say), and `annotations` on top. BuildError for
    two images of one platform, or of both families; UsageError for a destination that can hold no index.
    """
    found = _distinct((reader, node) for source in sources for reader, node in _images(source, places))
    children = [_child(reader, node) for reader, node in found]
    _refuse_twins(children)
    family = _family(children)
    images = [node for child, (_, node) in zip(children, found, strict=True) if _is_runnable(child)]
    shared = {**_shared(images), **(annotations or {})}
    if shared and family is Format.DOCKER:
        raise BuildError("a docker manifest list has no annotations", hint="build the images with `format: oci`")
    raw = index_over(children, family, shared)
    index = describe(raw, family.index)
    sink, name = _sink(destination, places)
    names = tuple(dict.fromkeys((*name, *map(parse_tag, tags))))
    manner = Manner(jobs, places.emit)
    for reader, node in found:
        transfer(node, reader, sink, (), manner)
    # The new index itself: what it names is in place by now, and no reader is asked for anything.
    transfer(Node(index, parse_document(raw, family.index, subject="the new index")), found[0][0], sink, names, manner)
    if isinstance(sink, Layout) and not names:
        sink.name(index)
    return index


def _images(source: Location, places: Places) -> Iterator[tuple[ImageReader, Node]]:
    """The single images that a source leads to."""
    reader = places.reader(source)
    for node, _ in read_graph(reader, reader.resolve(name_in(source))).manifests():
        yield reader, node


def _distinct(found: Iterable[tuple[ImageReader, Node]]) -> list[tuple[ImageReader, Node]]:
    """Each image once, where it was met first."""
    first: dict[Digest, tuple[ImageReader, Node]] = {}
    for reader, node in found:
        first.setdefault(node.descriptor.digest, (reader, node))
    return list(first.values())


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
    known: list[tuple[Platform, Descriptor]] = []
    for child in filter(_is_runnable, children):
        assert child.platform is not None
        for platform, twin in known:
            if _are_same(platform, child.platform) and twin.digest != child.digest:
                raise BuildError(
                    f"there are two images for {child.platform}",
                    where=f"{twin.digest} and {child.digest}",
                    hint="an index has one for each platform; leave one out",
                )
        known.append((child.platform, child))


def _is_runnable(child: Descriptor) -> bool:
    """Whether it is an image for a platform: attestations are for none, or for `unknown/unknown`."""
    return child.platform is not None and child.platform.os != "unknown"


def _are_same(one: Platform, other: Platform) -> bool:
    return one.is_same_as(other) and other.is_same_as(one)


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
    all_of_them = [node.document.annotations for node in nodes]
    first = all_of_them[0] if all_of_them else {}
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in all_of_them)}


def _sink(destination: Location, places: Places) -> tuple[ImagePlace, tuple[str, ...]]:
    if isinstance(destination, RegistryLocation):
        reference = destination.reference
        if reference.digest:
            raise UsageError(f"{reference} names a digest, and the index gets its own", hint="name HOST/REPOSITORY:TAG")
        return places.repository(reference), (reference.tag,) if reference.tag else ()
    if isinstance(destination, LayoutLocation):
        return Layout.create(destination.path, emit=places.emit), (destination.name,) if destination.name else ()
    raise UsageError(f"{destination} is no place for an index", hint="name HOST/REPOSITORY:TAG or oci:DIR:TAG")
