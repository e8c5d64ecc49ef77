"""What hangs below a name: indexes, manifests and configs, read through the ports, wherever the image is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ocibuild.errors import IntegrityError, NotFoundError
from ocibuild.oci.blobs import BlobReader, ImageReader
from ocibuild.oci.codec import CONFIG_LIMIT
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import Document, ImageConfig, Index, Manifest, parse_config, parse_document
from ocibuild.oci.media_type import DOCKER_CONFIG, INDEXES, MANIFESTS, OCI_CONFIG
from ocibuild.oci.platform import Platform, choose

DEPTH_LIMIT = 8  # of nested indexes; more is a mistake or an attack


@dataclass(frozen=True, slots=True)
class Node:
    """A manifest or index, the descriptor that led to it, and (of an index) what it names; foreign documents are not opened."""

    descriptor: Descriptor
    document: Document
    children: tuple[Node, ...] = ()

    def walk(self) -> Iterator[Node]:
        """This node and all below, children first: the order in which a registry takes them.

        A document that is named twice comes twice, what is below it once.
        """
        return _children_first(self, set())

    def manifests(self) -> Iterator[tuple[Node, Manifest]]:
        """Every manifest below, or the node itself if it is one."""
        for node in self.walk():
            if isinstance(node.document, Manifest):
                yield node, node.document


def _children_first(node: Node, seen: set[Digest]) -> Iterator[Node]:
    if node.descriptor.digest not in seen:
        seen.add(node.descriptor.digest)
        for child in node.children:
            yield from _children_first(child, seen)
    yield node


def read_document(reader: ImageReader, descriptor: Descriptor) -> Document:
    """The manifest or index that `descriptor` names. IntegrityError if it is none."""
    raw = reader.read_manifest(descriptor)
    return parse_document(raw, descriptor.media_type, subject=f"manifest {descriptor.digest}")


def read_config(reader: BlobReader, manifest: Manifest) -> ImageConfig:
    """The config of an image. IntegrityError if it is not one, or is larger than any config has reason to be."""
    subject = f"config {manifest.config.digest}"
    if manifest.config.size > CONFIG_LIMIT:
        raise IntegrityError(f"{subject} has {manifest.config.size} bytes; at most {CONFIG_LIMIT} are read")
    raw = b"".join(reader.open_blob(manifest.config))
    return parse_config(raw, subject=subject)


def read_graph(reader: ImageReader, descriptor: Descriptor, platforms: tuple[Platform, ...] = ()) -> Node:
    """The whole tree below `descriptor`; with `platforms`, an index is followed only to the manifests that they choose.

    NotFoundError, saying what there is, for a platform that an index does not have.
    """
    return _Reading(reader).read(descriptor, platforms, DEPTH_LIMIT)


class _Reading:
    """A graph that is being read. Each document is read once: indexes that name one another many times over are a bomb."""

    def __init__(self, reader: ImageReader) -> None:
        self._reader = reader
        self._known: dict[tuple[Digest, str], Node] = {}

    def read(self, descriptor: Descriptor, platforms: tuple[Platform, ...], depth: int) -> Node:
        key = descriptor.digest, descriptor.media_type
        if key not in self._known:
            self._known[key] = self._read(descriptor, platforms, depth)
        return replace(self._known[key], descriptor=descriptor)

    def _read(self, descriptor: Descriptor, platforms: tuple[Platform, ...], depth: int) -> Node:
        if depth == 0:
            raise IntegrityError(f"indexes are nested more than {DEPTH_LIMIT} deep", where=str(descriptor.digest))
        document = read_document(self._reader, descriptor)
        if isinstance(document, Manifest):
            return Node(descriptor, document)
        wanted = tuple(dict.fromkeys(select(document, platform) for platform in platforms)) or document.manifests
        children = (child for child in wanted if child.media_type in INDEXES + MANIFESTS)
        return Node(descriptor, document, tuple(self.read(child, (), depth - 1) for child in children))


def select(index: Index, platform: Platform) -> Descriptor:
    """The child of `index` that runs on `platform`. NotFoundError, naming those there are, if none does."""
    return _choose([(child.platform, child) for child in index.manifests if child.platform is not None], platform)


def _choose(offered: Sequence[tuple[Platform, Descriptor]], platform: Platform) -> Descriptor:
    chosen = choose(platform, [each for each, _ in offered])
    for each, child in offered:
        if each == chosen:
            return child
    known = ", ".join(sorted({str(each) for each, _ in offered if each.os != "unknown"}))
    raise NotFoundError(f"there is no image for {platform}", hint=f"there are: {known or 'none with a platform'}")


def find_manifest(reader: ImageReader, descriptor: Descriptor, platform: Platform) -> tuple[Descriptor, Manifest]:
    """The manifest for `platform` at or below `descriptor`. NotFoundError if an index has none."""
    for _ in range(DEPTH_LIMIT):
        document = read_document(reader, descriptor)
        if isinstance(document, Manifest):
            return descriptor, document
        descriptor = select(document, platform)
    raise IntegrityError(f"indexes are nested more than {DEPTH_LIMIT} deep", where=str(descriptor.digest))


def find_image(reader: ImageReader, descriptor: Descriptor, platform: Platform) -> Descriptor:
    """The image for `platform` at or below `descriptor`. NotFoundError, saying what there is, if an index has none, and if a
    single image says that it is for another platform."""
    found, manifest = find_manifest(reader, descriptor, platform)
    if found != descriptor:
        return found
    own = _platform_of(reader, manifest)
    if own is None or not (own.os and own.architecture):
        return found
    return _choose([(own, found)], platform)


def read_configs(reader: BlobReader, root: Node) -> dict[Digest, ImageConfig]:
    """The configs of all runnable images at or below `root`, by digest; an artifact's config is not opened."""
    return {
        manifest.config.digest: read_config(reader, manifest)
        for _, manifest in root.manifests()
        if manifest.config.media_type in (OCI_CONFIG, DOCKER_CONFIG)
    }


def platforms_of(reader: ImageReader, descriptor: Descriptor) -> tuple[Platform, ...]:
    """The platforms that an image is for; none for an artifact."""
    document = read_document(reader, descriptor)
    if isinstance(document, Index):
        return tuple(
            child.platform for child in document.manifests if child.platform and child.platform.os != "unknown"
        )
    platform = _platform_of(reader, document)
    return () if platform is None else (platform,)


def _platform_of(reader: BlobReader, manifest: Manifest) -> Platform | None:
    """What the config of an image says; None for an artifact, whose config is not opened."""
    if manifest.config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        return None
    return read_config(reader, manifest).platform
