"""What a report is about, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ocibuild.differences import Image, ImageDifference
from ocibuild.findings import Finding
from ocibuild.graph import Node
from ocibuild.tree.entry import Action, Kind
from ocibuild.tree.layer import LayerFiles
from ocibuild.tree.merged import Tree


@dataclass(frozen=True, slots=True)
class ImageContents:
    """A runnable image with all that is in it. `difference` is that from its counterpart in the other image, if there is one."""

    image: Image
    layers: tuple[LayerFiles, ...]
    tree: Tree
    difference: ImageDifference | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """An image, or all images of an index; `contents` are taken one by one, since each may be large."""

    name: str
    root: Node
    annotations: Mapping[str, str]
    findings: tuple[Finding, ...]
    contents: Iterable[ImageContents]
    version: str
    against: str | None = None


@dataclass(frozen=True, slots=True)
class LayerSums:
    """What a layer adds up to: files and their bytes, and how many of these bytes later layers cover or remove."""

    files: int
    size: int
    covered: int


def layer_sums(contents: ImageContents) -> list[LayerSums]:
    """The sums of each layer, lowest first; a file with several names counts once."""
    kept = [0] * len(contents.layers)
    seen: set[int] = set()
    for _, node in contents.tree.walk():
        if node.entry.kind is Kind.FILE and id(node.entry) not in seen:
            seen.add(id(node.entry))
            kept[node.layer] += node.entry.size
    return [_sums(files, size) for files, size in zip(contents.layers, kept, strict=True)]


def _sums(files: LayerFiles, kept: int) -> LayerSums:
    put = [change.entry for change in files.changes if change.action is Action.PUT and change.entry is not None]
    sizes = [entry.size for entry in put if entry.kind is Kind.FILE]
    # A hard link to a file of a lower layer keeps the bytes of that layer.
    return LayerSums(len(sizes), sum(sizes), max(0, sum(sizes) - kept))
