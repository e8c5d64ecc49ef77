"""An image as the rules see it: its documents, without the layers' content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ocibuild.checks.features import SHOWN, Environment, Feature, LayerCount, ShownText
from ocibuild.checks.labels import LABELS, PREFIX, Label, LabelSet
from ocibuild.checks.profiles import Profile
from ocibuild.findings import Place
from ocibuild.graph import Node
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig, Index, Manifest
from ocibuild.oci.media_type import DOCKER_CONFIG, OCI_CONFIG, is_layer
from ocibuild.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class ImageUnderCheck:
    """An image as the rules see it. `configs` are by digest; `name` is what findings call the image."""

    name: str
    root: Node
    configs: Mapping[Digest, ImageConfig]
    profile: Profile

    @property
    def place(self) -> Place:
        return Place(self.name)

    @property
    def is_index(self) -> bool:
        return isinstance(self.root.document, Index)

    def indexes(self) -> Iterator[tuple[Node, Index]]:
        """Every index, those within others first."""
        for node in self.root.walk():
            if isinstance(node.document, Index):
                yield node, node.document

    def runnable(self) -> Iterator[tuple[Node, Manifest, ImageConfig]]:
        """Every image that containers can run, with its config, if that could be read."""
        for node, manifest in self.root.manifests():
            config = self.configs.get(manifest.config.digest)
            if is_runnable(node) and config is not None:
                yield node, manifest, config

    def oversized(self) -> Iterator[tuple[str, int, int]]:
        """Manifests and indexes that are larger than the registry takes: what they are called, their size, and the limit."""
        limit = self.profile.manifest_size
        for node in self.root.walk():
            if node.descriptor.size > limit:
                yield title_of(node), node.descriptor.size, limit

    def layers(self) -> Iterator[tuple[str, Descriptor]]:
        """Every layer of every platform, with what findings call it."""
        for node, manifest in self.root.manifests():
            for number, layer in enumerate(manifest.layers, 1):
                yield layer_title(node, number, layer), layer

    def layer_counts(self) -> Iterator[LayerCount]:
        """The number of layers of each platform."""
        for node, manifest in self.root.manifests():
            if is_runnable(node):
                yield LayerCount(f"the image {title_of(node)}", len(manifest.layers), self.place)

    def environments(self) -> Iterator[Environment]:
        """The environment of each image."""
        for _, _, config in self.runnable():
            names = tuple(str(pair).partition("=")[0] for pair in config.settings.get("Env") or ())
            yield Environment(names, config.platform.os == "windows", self.place)

    def features(self) -> Iterator[Feature]:
        """What not every registry and runtime takes."""
        if self.is_index:
            yield Feature("index", "the image is an index", self.place)
        for _, _, config in self.runnable():
            yield Feature("os", f"the image is for {config.platform}", self.place, config.platform.os)
        for subject, layer in self.layers():
            if layer.media_type.endswith(("+zstd", ".zstd")):
                yield Feature("zstd", f"{subject} is packed with zstd", self.place)

    def shown_texts(self) -> Iterator[ShownText]:
        """What a page shows, by the levels that it stands on."""
        sets = tuple(self.label_sets())
        for word in SHOWN:
            entries = ((labels.level, labels.get(PREFIX + word)) for labels in sets)
            yield ShownText(word, {level: self.place for level, entry in entries if entry is not None and entry.value})

    def label_sets(self) -> Iterator[LabelSet]:
        """The annotations of every document and of descriptors in indexes, children first; then the labels of every image."""
        for node in self.root.walk():
            kind = "index" if isinstance(node.document, Index) else "manifest"
            yield self._label_set(f"{kind} annotations", node.document.annotations)
            for child in node.document.manifests if isinstance(node.document, Index) else ():
                yield self._label_set("manifest-descriptor annotations", child.annotations)
        for _, _, config in self.runnable():
            labels = config.settings.get("Labels") or {}
            yield self._label_set(LABELS, {key: str(value) for key, value in labels.items()})

    def _label_set(self, level: str, values: Mapping[str, str]) -> LabelSet:
        entries = tuple(Label(key, value, self.place) for key, value in values.items())
        return LabelSet(level, entries, self.place, self.profile)


def title_of(node: Node) -> str:
    """What findings call a manifest or an index: its platform, else its digest."""
    platform = node.descriptor.platform
    return str(platform) if platform and platform.os else node.descriptor.digest.short


def layer_title(node: Node, number: int, layer: Descriptor) -> str:
    """What findings call a layer: its number from 1, whose it is, its digest."""
    return f"layer {number} of {title_of(node)} ({layer.digest.short})"


def is_runnable(node: Node) -> bool:
    """Whether it is an image that containers can run.

    An artifact is for no platform. Attestations and signatures come with the config of an image, but for the platform
    `unknown`, or with layers that are no file systems.
    """
    manifest, platform = node.document, node.descriptor.platform
    return (
        not (platform and platform.os == "unknown")
        and isinstance(manifest, Manifest)
        and not manifest.artifact_type
        and manifest.config.media_type in (OCI_CONFIG, DOCKER_CONFIG)
        and (not manifest.layers or any(is_layer(layer.media_type) for layer in manifest.layers))
    )


def is_whole(platform: Platform | None) -> bool:
    """Whether a platform says what runtimes choose by."""
    return platform is not None and bool(platform.os and platform.architecture)
