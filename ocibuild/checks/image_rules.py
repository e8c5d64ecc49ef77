"""What an image's documents must satisfy before any byte of it is sent: registries or runtimes would refuse it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ocibuild.checks.features import RULES as FEATURE_RULES
from ocibuild.checks.features import Environment, Feature, LayerCount
from ocibuild.checks.label_limits import LIMIT_RULES
from ocibuild.checks.labels import Label, LabelSet
from ocibuild.checks.profiles import Profile
from ocibuild.checks.rule import Fault, Rule, Scope, judge
from ocibuild.findings import Finding, Place, Severity
from ocibuild.graph import Node
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig, Index, Manifest
from ocibuild.oci.media_type import DOCKER_CONFIG, OCI_CONFIG, is_foreign
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

    def layers(self) -> Iterator[tuple[str, Descriptor]]:
        """Every layer of every platform, with what findings call it."""
        for node, manifest in self.root.manifests():
            for number, layer in enumerate(manifest.layers, 1):
                yield f"layer {number} of {title_of(node)} ({layer.digest.short})", layer

    def layer_counts(self) -> Iterator[LayerCount]:
        """The number of layers of each platform."""
        for node, manifest in self.root.manifests():
            if is_runnable(node):
                yield LayerCount(f"the image {title_of(node)}", len(manifest.layers), self.place)

    def environments(self) -> Iterator[Environment]:
        """The environment of each config."""
        for config in self.configs.values():
            names = tuple(str(pair).partition("=")[0] for pair in config.settings.get("Env") or ())
            yield Environment(names, config.platform.os == "windows", self.place)

    def features(self) -> Iterator[Feature]:
        """What not every registry and runtime takes."""
        if isinstance(self.root.document, Index):
            yield Feature("index", "the image is an index", self.place)
        for config in self.configs.values():
            yield Feature("os", f"the image is for {config.platform}", self.place, config.platform.os)
        for subject, layer in self.layers():
            if layer.media_type.endswith(("+zstd", ".zstd")):
                yield Feature("zstd", f"{subject} is packed with zstd", self.place)

    def label_sets(self) -> Iterator[LabelSet]:
        """The annotations of every document, children first, then the labels of every config."""
        for node in self.root.walk():
            kind = "index" if isinstance(node.document, Index) else "manifest"
            yield self._label_set(f"{kind} annotations", node.document.annotations)
        for config in self.configs.values():
            labels = config.settings.get("Labels") or {}
            yield self._label_set("labels", {key: str(value) for key, value in labels.items()})

    def _label_set(self, level: str, values: Mapping[str, str]) -> LabelSet:
        entries = tuple(Label(key, value, self.place) for key, value in values.items())
        return LabelSet(level, entries, self.place, self.profile)


def check_image(image: ImageUnderCheck) -> tuple[Finding, ...]:
    """What the image cannot be pushed with, each fault once."""
    texts = [finding for labels in image.label_sets() for finding in judge(LIMIT_RULES, labels)]
    return tuple(dict.fromkeys((*judge(LAYER_RULES, image), *texts, *judge(DOCUMENT_RULES + TARGET_RULES, image))))


def title_of(node: Node) -> str:
    """What findings call a manifest or an index: its platform, else its digest."""
    platform = node.descriptor.platform
    return f"{platform}" if platform else f"{node.descriptor.digest.short}"


def _layer_too_large(image: ImageUnderCheck) -> Iterator[Fault]:
    """A layer is larger, packed, than the registry takes.

    Why: the upload fails at its end, after minutes or hours.
    Source: the limit of the registry profile; `ocibuild rules --profiles` names where each limit is written down.
    Mend: split the files of the layer over several layers, or leave some out.
    """
    limit = image.profile.layer_size
    for subject, layer in image.layers():
        if limit is not None and layer.size > limit and not is_foreign(layer.media_type):
            message = f"{subject} has {layer.size:,} bytes; {image.profile.name} takes {limit:,}"
            yield Fault(message, image.place, "split its files over several layers")


def _foreign_layer_without_urls(image: ImageUnderCheck) -> Iterator[Fault]:
    """A non-distributable layer does not say where it can be had.

    Why: such a layer is not uploaded, so nobody could ever fetch it.
    Source: OCI image-spec, layer.md, "Non-Distributable Layers", and descriptor.md, "urls".
    Mend: add `urls` to the layer's `foreign`.
    """
    for subject, layer in image.layers():
        if is_foreign(layer.media_type) and not layer.urls:
            message = f"{subject} is not distributable and has no URLs: nobody could fetch it"
            yield Fault(message, image.place, "add `urls` to the layer's `foreign`")


def _missing_platform(image: ImageUnderCheck) -> Iterator[Fault]:
    """An image in an index, or a config, does not say for which os and architecture it is.

    Why: runtimes choose by platform, and would never choose it.
    Source: OCI image-spec, image-index.md, "platform", and config.md, "architecture" and "os" (both required).
    Mend: rebuild the index or the image with a platform for each image.
    """
    for node in image.root.walk():
        for child in node.children:
            if is_runnable(child) and not _is_whole(child.descriptor.platform):
                subject = child.descriptor.digest.short
                message = f"the index names {subject} without a platform: no runtime would choose it"
                yield Fault(message, image.place, "rebuild the index with a platform for each image")
    for digest, config in image.configs.items():
        if not _is_whole(config.platform):
            message = f"the config {digest.short} does not say which os and architecture it is for"
            yield Fault(message, image.place, "rebuild the image with a platform")


def is_runnable(node: Node) -> bool:
    """Whether it is an image: an artifact, a signature say, is for no platform."""
    manifest = node.document
    return (
        isinstance(manifest, Manifest)
        and not manifest.artifact_type
        and manifest.config.media_type in (OCI_CONFIG, DOCKER_CONFIG)
    )


def _is_whole(platform: Platform | None) -> bool:
    return platform is not None and bool(platform.os and platform.architecture)


def _manifest_too_large(image: ImageUnderCheck) -> Iterator[Fault]:
    """A manifest or an index is larger than registries take.

    Why: registries refuse it after all of its blobs were uploaded.
    Source: OCI distribution-spec, "Pushing Manifests" (4 MiB are to be taken); the reference registry takes no more.
    Mend: use fewer layers, or shorter annotations.
    """
    limit = image.profile.manifest_size
    for node in image.root.walk():
        if node.descriptor.size > limit:
            message = f"{title_of(node)} has {node.descriptor.size:,} bytes; registries take {limit:,}"
            yield Fault(message, image.place, "use fewer layers, or shorter annotations")


_IMAGE = (Scope.IMAGE,)
LAYER_RULES: tuple[Rule[ImageUnderCheck], ...] = (
    Rule("layer-too-large", Severity.ERROR, "A layer exceeds the registry's limit", _IMAGE, _layer_too_large),
    Rule(
        "foreign-layer-without-urls",
        Severity.ERROR,
        "A non-distributable layer has no URLs",
        _IMAGE,
        _foreign_layer_without_urls,
    ),
)
DOCUMENT_RULES: tuple[Rule[ImageUnderCheck], ...] = (
    Rule("missing-platform", Severity.ERROR, "An image does not say its platform", _IMAGE, _missing_platform),
    Rule("manifest-too-large", Severity.ERROR, "A manifest exceeds what registries take", _IMAGE, _manifest_too_large),
)
RULES = (*LAYER_RULES, *DOCUMENT_RULES)
# What a push refuses of the rules that are for specs too.
TARGET_RULES = tuple(rule for rule in FEATURE_RULES if rule.severity is Severity.ERROR)
