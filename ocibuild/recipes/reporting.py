"""A report on an image: all its layers read, and those of the image that it is compared with."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild import __version__
from ocibuild.checks.image_rules import check_image
from ocibuild.checks.image_subject import ImageUnderCheck
from ocibuild.checks.profiles import profile_for, profile_named
from ocibuild.differences import Image, ImageDifference, image_changes, images_of, layer_pairs, paired
from ocibuild.graph import Node, read_configs
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.documents import Index
from ocibuild.oci.location import Location, RegistryLocation
from ocibuild.oci.platform import Platform
from ocibuild.recipes.comparing import LayerReadings, tree_of
from ocibuild.recipes.looking import find_graph
from ocibuild.recipes.places import Places
from ocibuild.report.model import ImageContents, Report
from ocibuild.report.page import render
from ocibuild.tree.comparing import compare


def report(
    location: Location, places: Places, *, against: Location | None = None, platform: Platform | None = None
) -> bytes:
    """One HTML file about an image, or about all images of an index: layers, files, settings, annotations, findings.

    With `against`, also what differs from that image. All layers are read, none is unpacked; the same images give the same bytes.
    """
    reader = places.reader(location)
    root = find_graph(reader, location, platform)
    configs = read_configs(reader, root)
    host = location.reference.host if isinstance(location, RegistryLocation) else None
    profile = profile_for(host) if host else profile_named("generic")
    images = images_of(root, configs)
    others = _Others(against, places, platform, images) if against else None
    return render(
        Report(
            name=str(location),
            root=root,
            annotations=root.document.annotations if isinstance(root.document, Index) else {},
            findings=check_image(ImageUnderCheck(str(location), root, configs, profile)),
            contents=_contents(images, reader, others, places),
            version=__version__,
            against=str(against) if against else None,
        )
    )


class _Others:
    """The images to compare with."""

    def __init__(
        self, location: Location, places: Places, platform: Platform | None, images: tuple[Image, ...]
    ) -> None:
        self.reader: ImageReader = places.reader(location)
        root: Node = find_graph(self.reader, location, platform)
        pairs = paired(images_of(root, read_configs(self.reader, root)), images)
        self._counterparts = {id(image): other for other, image in pairs if image and other}

    def counterpart(self, image: Image) -> Image | None:
        return self._counterparts.get(id(image))


def _contents(
    images: tuple[Image, ...], reader: ImageReader, others: _Others | None, places: Places
) -> Iterator[ImageContents]:
    for image in images:
        other = others.counterpart(image) if others else None
        readings = LayerReadings((image.layers, other.layers if other else ()), places.emit)
        layers = tuple(readings.read(image.layers, reader))
        tree = tree_of(layers)
        difference = None
        if others and other:
            before = tree_of(readings.read(other.layers, others.reader))
            values = image_changes(other, image, times=False)
            difference = ImageDifference(
                other, image, values, layer_pairs(other.layers, image.layers), compare(before, tree)
            )
        yield ImageContents(image, layers, tree, difference)
