"""Whether the documents of an image agree with each other, and with what runtimes read in them. No layer is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from ocibuild.checks.image_subject import ImageUnderCheck, is_runnable, is_whole, layer_title, title_of
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.value_types import is_time
from ocibuild.findings import Severity
from ocibuild.oci.media_type import INDEXES, MANIFESTS, Compression, Format, compression_of, family_of, is_layer
from ocibuild.oci.platform import Platform

_AGAIN = "build the image again, with a tool that writes both from the same facts"


def _mixed_media_types(image: ImageUnderCheck) -> Iterator[Fault]:
    """Documents or layers of Docker's family stand in an image of OCI's, or the other way round.

    Why: umoci reads no such mix, podman takes a manifest with the other family's config for an artifact and does not pull it,
    and each converter makes something else of it.
    Source: OCI image-spec, manifest.md and image-index.md, on the types that are to be supported; tried with podman 4.3, umoci 0.4.
    Mend: convert the image as a whole, for example with `skopeo copy --format oci`, or build it again in one format.
    """
    for node in image.root.walk():
        family = family_of(node.document.media_type)
        for descriptor in node.document.children:
            other = family_of(descriptor.media_type)
            if other not in (family, None):
                message = f"{title_of(node)} is {node.document.media_type}, and names {descriptor.media_type}"
                yield Fault(message, image.place, "build it in one format, or convert it as a whole")


def _layer_type_unknown(image: ImageUnderCheck) -> Iterator[Fault]:
    """A layer of a runnable image has a media type that runtimes do not know.

    Why: they cannot unpack it, and containers do not start. Of Docker's types only the one with gzip is portable: podman
    refuses the others.
    Source: OCI image-spec, manifest.md, "layers"; Docker image manifest version 2, schema 2.
    Mend: use the layer types of OCI, with gzip, zstd or without compression.
    """
    for node, manifest in image.root.manifests():
        if is_runnable(node):
            for number, layer in enumerate(manifest.layers, 1):
                if not _is_portable(layer.media_type):
                    message = f"{layer_title(node, number, layer)} has the type {layer.media_type}"
                    yield Fault(message, image.place, "use a layer type that runtimes know")


def _is_portable(media_type: str) -> bool:
    if not is_layer(media_type):
        return False
    return family_of(media_type) is Format.OCI or compression_of(media_type) is Compression.GZIP


def _platform_mismatch(image: ImageUnderCheck) -> Iterator[Fault]:
    """An index says another platform for an image than the image's own config.

    Why: machines get an image whose programs they cannot run ("exec format error").
    Source: OCI image-spec, image-index.md, "platform"; `crane validate` compares the two.
    Mend: make the index from the images' configs, as `ocibuild index create` does.
    """
    for node, _, config in image.runnable():
        said, real = node.descriptor.platform, config.platform
        if is_whole(said) and is_whole(real) and said is not None and not _is_same(said, real):
            message = f"an index names {node.descriptor.digest.short} for {_full(said)}; its config says {_full(real)}"
            yield Fault(message, image.place, "make the index again, from what the configs say")


def _is_same(said: Platform, real: Platform) -> bool:
    """Whether both mean one platform; a config that says no variant leaves it open, as many images do."""
    names = (said, replace(said, variant=None)) if real.variant is None else (said,)
    return _versions(said) == _versions(real) and any(name.is_same_as(real) for name in names)


def _full(platform: Platform) -> str:
    features = f" with {' '.join(platform.os_features)}" if platform.os_features else ""
    return f"{platform}{f' {platform.os_version}' if platform.os_version else ''}{features}"


def _platform_duplicated(image: ImageUnderCheck) -> Iterator[Fault]:
    """An index has two different images for one platform.

    Why: the first one runs; nobody ever gets the other. Indexes that offer each image in two compressions do so on purpose.
    Source: OCI image-spec, image-index.md, "manifests": the first match is to be taken.
    Mend: leave one of them out, or give them variants or os versions that tell them apart.
    """
    for node, _ in image.indexes():
        images = [child.descriptor for child in node.children if is_runnable(child)]
        for one, other in combinations(images, 2):
            first, second = one.platform, other.platform
            if first is None or second is None or one.digest == other.digest or not first.os:
                continue
            if first.is_same_as(second) and _versions(first) == _versions(second):
                message = f"{title_of(node)} has several images for {_full(first)}, of which {one.digest.short} runs"
                yield Fault(message, image.place, "leave the others out")


def _versions(platform: Platform) -> tuple[str | None, frozenset[str]]:
    return platform.os_version, frozenset(platform.os_features)


def _index_child_unknown(image: ImageUnderCheck) -> Iterator[Fault]:
    """An index names something that is neither a manifest nor an index.

    Why: registries and runtimes pass over it, so that it may be lost when the image is copied; it was not verified either.
    Source: OCI image-spec, image-index.md, "mediaType": other types are allowed, and must not fail.
    Mend: wrap it in a manifest, as an artifact, or attach it with `ocibuild attach`.
    """
    for node, index in image.indexes():
        for child in index.manifests:
            if child.media_type not in INDEXES + MANIFESTS:
                message = f"{title_of(node)} names {child.digest.short}, which is {child.media_type}"
                yield Fault(message, image.place, "wrap it in a manifest")


def _diff_ids_count(image: ImageUnderCheck) -> Iterator[Fault]:
    """A config has more or fewer diff_ids than the manifest has layers.

    Why: runtimes pair the two in order. umoci and others crash, the rest cannot verify what they unpack.
    Source: OCI image-spec, config.md, "rootfs": an array of layer content hashes, in order from first to last.
    Mend: build the image again; a tool has added or dropped a layer in one of the two documents only.
    """
    for node, manifest, config in image.runnable():
        if len(config.diff_ids) != len(manifest.layers):
            numbers = f"{len(manifest.layers)}, that of the diff_ids in its config {len(config.diff_ids)}"
            message = f"the number of layers of {title_of(node)} is {numbers}"
            yield Fault(message, image.place, _AGAIN)


def _history_count(image: ImageUnderCheck) -> Iterator[Fault]:
    """The history of a config does not have one entry for each layer.

    Why: tools that show or cache by history assign it to the wrong layers; Artifactory has misread such images.
    Source: OCI image-spec, config.md, "history": entries without `empty_layer` are those of the layers, in order.
    Mend: build the image again; whatever has edited the layers did not edit the history.
    """
    for node, manifest, config in image.runnable():
        full = sum(1 for entry in config.history if not entry.get("empty_layer"))
        if config.history and full != len(manifest.layers):
            message = (
                f"the number of layers of {title_of(node)} is {len(manifest.layers)}, and its history tells of {full}"
            )
            yield Fault(message, image.place, _AGAIN)


def _rootfs_type(image: ImageUnderCheck) -> Iterator[Fault]:
    """The `rootfs` of a config is not of the type `layers`.

    Why: runtimes know no other; `crane validate` refuses it.
    Source: OCI image-spec, config.md, "rootfs": type MUST be set to `layers`.
    Mend: build the image again.
    """
    for node, _, config in image.runnable():
        kind = config.document["rootfs"].get("type")
        if kind != "layers":
            message = f"the rootfs in the config of {title_of(node)} has the type {str(kind)[:40]!r}, not 'layers'"
            yield Fault(message, image.place, _AGAIN)


def _config_time(image: ImageUnderCheck) -> Iterator[Fault]:
    """A time in a config is no RFC 3339 date and time.

    Why: podman and umoci cannot read the config at all, and refuse the image.
    Source: OCI image-spec, config.md, "created" and "history": RFC 3339, section 5.6.
    Mend: write it like 2026-01-31T12:00:00Z, or leave it out.
    """
    for node, _, config in image.runnable():
        times = [("`created`", config.document.get("created"))]
        times += [
            (f"`created` of history entry {number}", entry.get("created"))
            for number, entry in enumerate(config.history, 1)
        ]
        for name, value in times:
            if value is not None and not (isinstance(value, str) and is_time(value)):
                message = f"{name} in the config of {title_of(node)} is {str(value)[:40]!r}"
                yield Fault(message, image.place, "write it like 2026-01-31T12:00:00Z")


_IMAGE = (Scope.IMAGE,)
RULES: tuple[Rule[ImageUnderCheck], ...] = (
    Rule("mixed-media-types", Severity.ERROR, "Documents of two families are mixed", _IMAGE, _mixed_media_types),
    Rule("layer-type-unknown", Severity.ERROR, "Runtimes do not know the type of a layer", _IMAGE, _layer_type_unknown),
    Rule("platform-mismatch", Severity.ERROR, "Index and config name different platforms", _IMAGE, _platform_mismatch),
    Rule("platform-duplicated", Severity.WARNING, "A platform has several images", _IMAGE, _platform_duplicated),
    Rule("index-child-unknown", Severity.WARNING, "An index names something unknown", _IMAGE, _index_child_unknown),
    Rule("diff-ids-count", Severity.ERROR, "The config has not one diff_id a layer", _IMAGE, _diff_ids_count),
    Rule("history-count", Severity.WARNING, "The history does not fit the layers", _IMAGE, _history_count),
    Rule("rootfs-type", Severity.ERROR, "The rootfs is of an unknown type", _IMAGE, _rootfs_type),
    Rule("config-time", Severity.ERROR, "A time in the config is not RFC 3339", _IMAGE, _config_time),
)
