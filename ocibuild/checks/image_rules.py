"""What an image's documents must satisfy before any byte of it is sent: registries or runtimes would refuse it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from ocibuild.checks import image_documents
from ocibuild.checks.features import RULES as FEATURE_RULES
from ocibuild.checks.image_subject import ImageUnderCheck, is_runnable, is_whole
from ocibuild.checks.label_limits import LIMIT_RULES
from ocibuild.checks.rule import Fault, Rule, Scope, judge
from ocibuild.findings import Finding, Place, Severity
from ocibuild.oci.media_type import is_foreign


def check_image(image: ImageUnderCheck) -> tuple[Finding, ...]:
    """What the image cannot be pushed with, each fault once."""
    texts = [finding for labels in image.label_sets() for finding in judge(LIMIT_RULES, labels)]
    return tuple(dict.fromkeys((*judge(LAYER_RULES, image), *texts, *judge(_PUSH_RULES, image))))


def _layer_too_large(image: ImageUnderCheck) -> Iterator[Fault]:
    """A layer is larger, packed, than the registry takes.

    Why: the upload fails at its end, after minutes or hours.
    Source: the limit of the registry profile; `ocibuild rules --profiles` names where each limit is written down.
    Mend: split the files of the layer over several layers, or leave some out.
    """
    limit = image.profile.layer_size
    for subject, layer in image.layers():
        if limit is not None and layer.size > limit and not is_foreign(layer.media_type):
            message = f"{subject} has {layer.size:,} bytes; profile {image.profile.name} takes {limit:,}"
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
            if is_runnable(child) and not is_whole(child.descriptor.platform):
                subject = child.descriptor.digest.short
                message = f"the index names {subject} without a platform: no runtime would choose it"
                yield Fault(message, image.place, "rebuild the index with a platform for each image")
    for _, manifest, config in image.runnable():
        if not is_whole(config.platform):
            message = f"the config {manifest.config.digest.short} does not say which os and architecture it is for"
            yield Fault(message, image.place, "rebuild the image with a platform")


class Measured(Protocol):
    """What `manifest-too-large` asks of the documents of an image, and of what could not be read of it."""

    @property
    def place(self) -> Place: ...

    def oversized(self) -> Iterable[tuple[str, int, int]]:
        """What manifests are called, their size, and the limit that they exceed."""


def _manifest_too_large(image: Measured) -> Iterator[Fault]:
    """A manifest or an index is larger than registries take.

    Why: registries refuse it after all of its blobs were uploaded.
    Source: OCI distribution-spec, "Pushing Manifests" (4 MiB are to be taken); the reference registry takes no more.
    Mend: use fewer layers, or shorter annotations.
    """
    for subject, size, limit in image.oversized():
        message = f"{subject} has {size:,} bytes; registries take {limit:,}"
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
_SIZE = (Scope.IMAGE, Scope.CONTENT)
DOCUMENT_RULES: tuple[Rule[Any], ...] = (
    Rule("missing-platform", Severity.ERROR, "An image does not say its platform", _IMAGE, _missing_platform),
    Rule("manifest-too-large", Severity.ERROR, "A manifest exceeds what registries take", _SIZE, _manifest_too_large),
)
RULES = (*LAYER_RULES, *DOCUMENT_RULES)
_PUSH_RULES = tuple(
    rule for rule in (*DOCUMENT_RULES, *image_documents.RULES, *FEATURE_RULES) if rule.severity is Severity.ERROR
)
