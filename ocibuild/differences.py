"""What differs between two images: settings, annotations, layers, files. Values, and the rules that need no file; no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.graph import Node
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig, Index, Manifest
from ocibuild.oci.media_type import DOCKER_CONFIG, OCI_CONFIG, is_foreign
from ocibuild.tree.comparing import FileChange


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """A layer of an image, as manifest and config speak of it. `title` is what the history says of it, or `""`."""

    descriptor: Descriptor
    diff_id: Digest
    title: str = ""

    @property
    def is_read(self) -> bool:
        """Whether its files can be known: those of a foreign layer are not distributed with the image."""
        return not is_foreign(self.descriptor.media_type)


@dataclass(frozen=True, slots=True)
class Image:
    """A runnable image: its node in the graph, its config, and its layers, lowest first.

    `descriptor_annotations` are those that the index has for it; what a layout notes on its own descriptors is not of the image.
    """

    node: Node
    manifest: Manifest
    config: ImageConfig
    layers: tuple[ImageLayer, ...]
    descriptor_annotations: Mapping[str, str]

    @property
    def platform(self) -> str:
        return str(self.node.descriptor.platform or self.config.platform)


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A setting or an annotation that differs. `level` is the document: config, manifest, index or manifest-descriptor."""

    level: str
    key: str
    before: str | None
    after: str | None

    @property
    def status(self) -> str:
        """Added, removed or changed."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


@dataclass(frozen=True, slots=True)
class LayerPair:
    """A layer of both images (the same diff_id), or of one of them."""

    before: ImageLayer | None
    after: ImageLayer | None


@dataclass(frozen=True, slots=True)
class ImageDifference:
    """Two images for one platform. `layers` has all layers of both; `unread` counts the foreign ones among those that differ."""

    before: Image
    after: Image
    values: tuple[ValueChange, ...]
    layers: tuple[LayerPair, ...]
    files: tuple[FileChange, ...]

    @property
    def platform(self) -> str:
        return self.before.platform

    @property
    def unread(self) -> int:
        """How many layers that differ could not be read: what is in them is not known."""
        sides = (side for pair in self.layers if not (pair.before and pair.after) for side in (pair.before, pair.after))
        return sum(1 for side in sides if side is not None and not side.is_read)

    @property
    def is_empty(self) -> bool:
        return not (self.values or self.files or self.unread)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two names and what they lead to. `values` are those of an index; an image without a counterpart is named by its platform."""

    before: Node
    after: Node
    values: tuple[ValueChange, ...]
    images: tuple[ImageDifference, ...]
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs that was compared: digests may still, by compression or by times."""
        missing = self.values or self.only_before or self.only_after
        return not missing and all(image.is_empty for image in self.images)


def images_of(root: Node, configs: Mapping[Digest, ImageConfig]) -> tuple[Image, ...]:
    """The runnable images at or below `root`, in its order; not what an index holds besides, attestations for example.

    IntegrityError for an image whose config does not have one diff_id a layer; UsageError if there is no image at all.
    """
    found = tuple(
        Image(
            node,
            manifest,
            config,
            tuple(_layers(manifest, config)),
            node.descriptor.annotations if node is not root else {},
        )
        for node, manifest in root.manifests()
        if manifest.config.media_type in (OCI_CONFIG, DOCKER_CONFIG)
        and (config := configs[manifest.config.digest]).platform.os != "unknown"
    )
    if not found:
        raise UsageError(
            f"{root.descriptor.digest} is no image and has no files", hint="`ocibuild inspect` shows what it is"
        )
    return found


def _layers(manifest: Manifest, config: ImageConfig) -> Iterator[ImageLayer]:
    if len(manifest.layers) != len(config.diff_ids):
        raise IntegrityError(
            f"the image has {len(manifest.layers)} layers but {len(config.diff_ids)} diff_ids",
            where=str(manifest.config.digest),
        )
    for descriptor, diff_id, title in zip(manifest.layers, config.diff_ids, config.layer_titles, strict=True):
        yield ImageLayer(descriptor, diff_id, title)


def paired(before: Sequence[Image], after: Sequence[Image]) -> list[tuple[Image | None, Image | None]]:
    """The images of two names side by side: by platform, unless there is just one on each side."""
    if len(before) == len(after) == 1:
        return [(before[0], after[0])]
    news = {image.platform: image for image in after}
    olds = {image.platform: image for image in before}
    return [(olds.get(platform), news.get(platform)) for platform in {**olds, **news}]


def shared_prefix(before: Sequence[ImageLayer], after: Sequence[ImageLayer]) -> int:
    """The number of layers that both images begin with."""
    for number, (old, new) in enumerate(zip(before, after, strict=False)):
        if old.diff_id != new.diff_id:
            return number
    return min(len(before), len(after))


def layer_pairs(before: Sequence[ImageLayer], after: Sequence[ImageLayer]) -> tuple[LayerPair, ...]:
    """All layers of both images, lowest first, those that both have side by side."""
    matcher = SequenceMatcher(
        None, [layer.diff_id for layer in before], [layer.diff_id for layer in after], autojunk=False
    )
    pairs: list[LayerPair] = []
    for verb, old, old_end, new, new_end in matcher.get_opcodes():
        if verb == "equal":
            pairs.extend(map(LayerPair, before[old:old_end], after[new:new_end]))
        else:
            pairs.extend(LayerPair(layer, None) for layer in before[old:old_end])
            pairs.extend(LayerPair(None, layer) for layer in after[new:new_end])
    return tuple(pairs)


def index_changes(before: Node, after: Node) -> tuple[ValueChange, ...]:
    """What differs in the annotations of the indexes, if there are any."""
    olds, news = (node.document.annotations if isinstance(node.document, Index) else {} for node in (before, after))
    return tuple(_changes("index", olds, news))


def image_changes(before: Image, after: Image, *, times: bool) -> tuple[ValueChange, ...]:
    """What differs in config and annotations; when an image was made only where `times` are asked for."""
    return (
        *_changes("config", settings_of(before.config, times=times), settings_of(after.config, times=times)),
        *_changes("manifest", before.manifest.annotations, after.manifest.annotations),
        *_changes("manifest-descriptor", before.descriptor_annotations, after.descriptor_annotations),
    )


def _changes(level: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[ValueChange]:
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old != new:
            yield ValueChange(level, key, old, new)


def settings_of(config: ImageConfig, *, times: bool = True) -> dict[str, str]:
    """A config as text by dotted names: `config.Env.PATH`, `config.Labels.NAME`, `history.0.created_by`. Without the diff_ids."""
    settings = _said(config.settings)
    if "Env" in settings:
        settings["Env"] = _variables(settings["Env"])
    history = dict(enumerate(config.history))
    document = _said({**config.document, "rootfs": None, "config": settings, "history": history})
    flat = {key: text for name, value in document.items() for key, text in _flat(name, value)}
    return flat if times else {key: value for key, value in flat.items() if not _is_time(key)}


def _is_time(key: str) -> bool:
    return key == "created" or (key.startswith("history.") and key.endswith(".created"))


def _variables(entries: Iterable[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """What has a value: null and empty ones mean the same as nothing, and builders differ in which they write."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from _flat(f"{name}.{key}", child)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
