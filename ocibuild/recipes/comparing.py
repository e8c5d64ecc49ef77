"""Two images side by side: documents first, and of the layers only those that can make a difference, each read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from ocibuild.differences import (
    Difference,
    Image,
    ImageDifference,
    ImageLayer,
    image_changes,
    images_of,
    index_changes,
    layer_pairs,
    paired,
    shared_prefix,
)
from ocibuild.events import Emit
from ocibuild.graph import Node, read_configs
from ocibuild.oci.blobs import BlobReader
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig
from ocibuild.oci.layer_limits import LIMITS, Limits
from ocibuild.oci.location import Location
from ocibuild.oci.platform import Platform
from ocibuild.recipes.fetching import fetched
from ocibuild.recipes.looking import find_graph
from ocibuild.recipes.places import Places
from ocibuild.tree.comparing import FileChange, base_matters, compare
from ocibuild.tree.layer import LayerFiles, read_layer
from ocibuild.tree.merged import Tree

# An image's manifest or index, and the configs below it.
Documents = tuple[Node, Mapping[Digest, ImageConfig]]


def diff(
    before: Location, after: Location, places: Places, *, platform: Platform | None = None, times: bool = False
) -> Difference:
    """What differs between two images, or two indexes platform by platform; with `platform`, between their images for it.

    Layers are streamed, and none that both images begin with if it makes no difference. `times` compares modification times and dates
    of creation too. IntegrityError for a layer that is not what its config promises.
    """
    readers = places.reader(before), places.reader(after)
    old, new = find_graph(readers[0], before, platform), find_graph(readers[1], after, platform)
    if old.descriptor.digest == new.descriptor.digest:
        return Difference(old, new, (), ())
    olds, news = read_configs(readers[0], old), read_configs(readers[1], new)

    def compared(one: Image, other: Image) -> ImageDifference:
        return _compared((one, readers[0]), (other, readers[1]), times=times, emit=places.emit)

    return _side_by_side((old, olds), (new, news), compared)


def diff_documents(before: Documents, after: Documents) -> Difference:
    """The same as far as documents tell: no layer is opened, and so no files are compared."""

    def compared(one: Image, other: Image) -> ImageDifference:
        values = image_changes(one, other, times=False)
        return ImageDifference(one, other, values, layer_pairs(one.layers, other.layers), ())

    return _side_by_side(before, after, compared)


def _side_by_side(
    before: Documents, after: Documents, compared: Callable[[Image, Image], ImageDifference]
) -> Difference:
    (old, olds), (new, news) = before, after
    pairs = paired(images_of(old, olds), images_of(new, news))
    return Difference(
        old,
        new,
        index_changes(old, new),
        tuple(compared(one, other) for one, other in pairs if one and other),
        only_before=tuple(one.platform for one, other in pairs if one and not other),
        only_after=tuple(other.platform for one, other in pairs if other and not one),
    )


def _compared(
    before: tuple[Image, BlobReader], after: tuple[Image, BlobReader], *, times: bool, emit: Emit
) -> ImageDifference:
    (old, old_reader), (new, new_reader) = before, after
    start = shared_prefix(old.layers, new.layers)
    layers = LayerReadings((old.layers[start:], new.layers[start:]), emit)
    upper = layers.read(old.layers[start:], old_reader), layers.read(new.layers[start:], new_reader)
    lower: Sequence[LayerFiles] = ()
    if base_matters(*([files.changes for files in side] for side in upper)):
        lower = layers.read(old.layers[:start], old_reader)
    files: tuple[FileChange, ...] = ()
    if any(upper):
        files = compare(*(tree_of((*lower, *side)) for side in upper), times=times)
    values = image_changes(old, new, times=times)
    return ImageDifference(old, new, values, layer_pairs(old.layers, new.layers), files)


def tree_of(layers: Iterable[LayerFiles], limits: Limits = LIMITS) -> Tree:
    """What the layers, lowest first, add up to."""
    tree = Tree(limits)
    for number, files in enumerate(layers):
        tree.apply(files.changes, number)
    return tree


class LayerReadings:
    """Reads layers of several images, those that come more than once (by diff_id) just once."""

    def __init__(self, images: Iterable[Sequence[ImageLayer]], emit: Emit) -> None:
        self._left = Counter(layer.diff_id for layers in images for layer in layers)
        self._kept: dict[Digest, LayerFiles] = {}
        self._emit = emit

    def read(self, layers: Sequence[ImageLayer], reader: BlobReader) -> list[LayerFiles]:
        """What each layer does; nothing for one that is not distributed with the image."""
        return [self._files(layer, reader) if layer.is_read else LayerFiles() for layer in layers]

    def _files(self, layer: ImageLayer, reader: BlobReader) -> LayerFiles:
        files = self._kept.pop(layer.diff_id, None) or _read(layer, reader, self._emit)
        self._left[layer.diff_id] -= 1
        if self._left[layer.diff_id] > 0:
            self._kept[layer.diff_id] = files
        return files


def _read(layer: ImageLayer, reader: BlobReader, emit: Emit) -> LayerFiles:
    descriptor = layer.descriptor
    with fetched(reader, descriptor, emit, outcome="read") as chunks:
        return read_layer(chunks, descriptor.size, layer.diff_id, subject=f"layer {descriptor.digest.short}")
