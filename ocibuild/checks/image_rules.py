"""What an image must satisfy before any byte of it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ocibuild.checks.profiles import Profile
from ocibuild.findings import Finding, Place
from ocibuild.graph import Node
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig, Index, Manifest
from ocibuild.oci.media_type import DOCKER_CONFIG, OCI_CONFIG, is_foreign
from ocibuild.oci.platform import Platform

_DESCRIPTION = "org.opencontainers.image.description"
_LICENSES = "org.opencontainers.image.licenses"


@dataclass(frozen=True, slots=True)
class ImageUnderCheck:
    """An image as the rules see it. `configs` are by digest; `name` is what findings call the image."""

    name: str
    root: Node
    configs: Mapping[Digest, ImageConfig]
    profile: Profile


def check_image(image: ImageUnderCheck) -> tuple[Finding, ...]:
    """All that is wrong with the image, in the order of its documents, each fault once."""
    found = [finding for rule in (_layers, _texts, _platforms, _sizes) for finding in rule(image)]
    return tuple(dict.fromkeys(found))


def _layers(image: ImageUnderCheck) -> Iterator[Finding]:
    limit = image.profile.layer_size
    for node, manifest in image.root.manifests():
        for number, layer in enumerate(manifest.layers, 1):
            subject = f"layer {number} of {_title(node)}"
            if is_foreign(layer.media_type):
                if not layer.urls:
                    yield _finding(
                        image,
                        "foreign-layer-without-urls",
                        f"{subject} ({layer.digest.short}) is not distributable and has no URLs: nobody could fetch it",
                        "add `urls` to the layer's `foreign`",
                    )
            elif layer.size > limit:
                yield _finding(
                    image,
                    "layer-too-large",
                    f"{subject} ({layer.digest.short}) has {layer.size:,} bytes; {image.profile.name} takes {limit:,}",
                    "split its files over several layers",
                )


def _texts(image: ImageUnderCheck) -> Iterator[Finding]:
    limits = {_DESCRIPTION: image.profile.description_length, _LICENSES: image.profile.licenses_length}
    for level, values in _levels(image):
        for key, limit in limits.items():
            length = len(values.get(key, ""))
            if length > limit:
                word = key.rpartition(".")[2]
                yield _finding(
                    image,
                    f"{word}-too-long",
                    f"the {word} in the {level} has {length} characters; {image.profile.name} takes {limit}",
                    f"shorten `metadata.{word}`",
                )


def _levels(image: ImageUnderCheck) -> Iterator[tuple[str, Mapping[str, str]]]:
    for node in image.root.walk():
        kind = "index" if isinstance(node.document, Index) else "manifest"
        yield f"{kind} annotations", node.document.annotations
    for config in image.configs.values():
        yield "labels", {key: str(value) for key, value in (config.settings.get("Labels") or {}).items()}


def _platforms(image: ImageUnderCheck) -> Iterator[Finding]:
    for node in image.root.walk():
        for child in node.children:
            if _is_runnable(child) and not _is_whole(child.descriptor.platform):
                message = (
                    f"the index names {child.descriptor.digest.short} without a platform: no runtime would choose it"
                )
                yield _finding(image, "missing-platform", message, "rebuild the index with a platform for each image")
    for digest, config in image.configs.items():
        if not _is_whole(config.platform):
            message = f"the config {digest.short} does not say which os and architecture it is for"
            yield _finding(image, "missing-platform", message, "rebuild the image with a platform")


def _is_runnable(node: Node) -> bool:
    """Whether it is an image: an artifact, a signature say, is for no platform."""
    manifest = node.document
    return (
        isinstance(manifest, Manifest)
        and not manifest.artifact_type
        and manifest.config.media_type in (OCI_CONFIG, DOCKER_CONFIG)
    )


def _is_whole(platform: Platform | None) -> bool:
    return platform is not None and bool(platform.os and platform.architecture)


def _sizes(image: ImageUnderCheck) -> Iterator[Finding]:
    for node in image.root.walk():
        if node.descriptor.size > image.profile.manifest_size:
            message = (
                f"{_title(node)} has {node.descriptor.size:,} bytes; registries take {image.profile.manifest_size:,}"
            )
            yield _finding(image, "manifest-too-large", message, "use fewer layers, or shorter annotations")


def _title(node: Node) -> str:
    platform = node.descriptor.platform
    return f"{platform}" if platform else f"{node.descriptor.digest.short}"


def _finding(image: ImageUnderCheck, rule: str, message: str, hint: str) -> Finding:
    return Finding(rule, message, Place(image.name), hint)
