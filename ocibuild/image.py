"""Layers and settings -> config, manifest and index: pure.

image-spec config.md, manifest.md, image-index.md; Docker image manifest v2, schema 2. What is laid over a base follows the rules
of a Dockerfile: env and labels merge, ports and volumes add up, an entrypoint without a cmd clears the base's cmd, the rest
replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ocibuild.errors import BuildError, IntegrityError, UsageError
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig, Manifest
from ocibuild.oci.media_type import Format, compression_of, is_foreign, is_layer, layer_type
from ocibuild.oci.platform import Platform
from ocibuild.plan import BuiltLayer, Plan, PlatformPlan, Settings, Unset

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
_CREATED_BY = "ocibuild layer "
# What docker build once recorded of its own intermediate containers; it says nothing of the new image.
_STALE_FIELDS = ("container", "container_config", "id", "parent", "docker_version")


@dataclass(frozen=True, slots=True)
class BaseImage:
    """What an image is built on. `name` is its fully qualified reference, None for one from disk.

    `digest` is of what the name led to: of the index, where the base is one (annotations.md: "the digest of that manifest").
    """

    manifest: Manifest
    config: ImageConfig
    digest: Digest
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """The documents of one platform. `descriptor` names the manifest, platform and annotations included."""

    descriptor: Descriptor
    manifest: bytes
    config: bytes
    config_descriptor: Descriptor
    layers: tuple[Descriptor, ...]


def assemble(plan: Plan, part: PlatformPlan, layers: Sequence[BuiltLayer], base: BaseImage | None) -> PlatformImage:
    """The config and manifest of one platform. BuildError for what the format cannot say of the base or of the plan."""
    _check_format(plan, part)
    provenance = _provenance([base])
    annotations = {**provenance, **dict(part.annotations)} if plan.format is Format.OCI else {}
    labels = provenance if plan.format is Format.DOCKER else {}
    config = encode(_config(plan, part, layers, base, labels))
    config_descriptor = describe(config, plan.format.config)
    inherited = base.manifest.layers if base else ()
    descriptors = tuple(
        _in_family(layer, plan.format) for layer in (*inherited, *(layer.descriptor for layer in layers))
    )
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": plan.format.manifest,
            "config": config_descriptor.to_json(),
            "layers": [descriptor.to_json() for descriptor in descriptors],
            **({"annotations": annotations} if annotations else {}),
        }
    )
    descriptor = describe(
        manifest,
        plan.format.manifest,
        platform=_platform(part.platform, base),
        annotations=dict(part.descriptor_annotations),
    )
    return PlatformImage(descriptor, manifest, config, config_descriptor, descriptors)


def _check_format(plan: Plan, part: PlatformPlan) -> None:
    """Schema 2 has no annotations: nothing that a plan says is dropped without a word."""
    said = (
        *part.annotations,
        *part.descriptor_annotations,
        *plan.index_annotations,
        *plan.index_descriptor_annotations,
    )
    if plan.format is Format.DOCKER and said:
        raise BuildError(
            f"the docker format cannot carry annotations such as {said[0][0]!r}",
            where=str(part.origin) if part.origin else None,
            hint="write them as `labels`, or use `format: oci`",
        )


def assemble_index(plan: Plan, images: Sequence[PlatformImage], bases: Sequence[BaseImage | None]) -> bytes:
    """The index (or manifest list) over the images of all platforms, in the order of the plan."""
    annotations = {**_provenance(bases), **dict(plan.index_annotations)} if plan.format is Format.OCI else {}
    return index_over([image.descriptor for image in images], plan.format, annotations)


def index_over(manifests: Sequence[Descriptor], family: Format, annotations: Mapping[str, str]) -> bytes:
    """The index (or manifest list) that names `manifests`, in their order."""
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": family.index,
            "manifests": [descriptor.to_json() for descriptor in manifests],
            **({"annotations": dict(annotations)} if annotations else {}),
        }
    )


def _provenance(bases: Sequence[BaseImage | None]) -> dict[str, str]:
    """The two annotations on the base, where all platforms share one."""
    if len({(base.name, base.digest) if base else None for base in bases}) != 1 or bases[0] is None:
        return {}
    name = {BASE_NAME: bases[0].name} if bases[0].name else {}
    return {**name, BASE_DIGEST: str(bases[0].digest)}


def _platform(wanted: Platform, base: BaseImage | None) -> Platform:
    """The platform of the result: the plan's, with what only the base knows of it (the Windows version, a variant)."""
    if base is None:
        return wanted
    known = base.config.platform
    return replace(
        wanted,
        variant=wanted.variant or known.variant,
        os_version=wanted.os_version or known.os_version,
        os_features=wanted.os_features or known.os_features,
    )


def _config(
    plan: Plan, part: PlatformPlan, layers: Sequence[BuiltLayer], base: BaseImage | None, labels: Mapping[str, str]
) -> dict[str, Any]:
    document = {key: value for key, value in (base.config.document if base else {}).items() if key not in _STALE_FIELDS}
    diff_ids = [*(base.config.diff_ids if base else ()), *(layer.diff_id for layer in layers)]
    settings = _settings(dict(base.config.settings if base else {}), part, labels)
    document |= _platform(part.platform, base).to_json()
    document |= {
        "created": plan.created,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
        "history": [*_inherited_history(base), *(_history_entry(plan, layer) for layer in layers)],
    }
    if part.settings.author is not None:
        document["author"] = part.settings.author
    return document


def _history_entry(plan: Plan, layer: BuiltLayer) -> dict[str, Any]:
    return {"created": plan.created, "created_by": f"{_CREATED_BY}{layer.name}"}


def layer_names(manifest: Manifest, config: ImageConfig) -> list[tuple[Descriptor, str]]:
    """The layers that ocibuild made, each with its name in the spec, as far as the history tells."""
    entries = [entry for entry in config.history if not entry.get("empty_layer")]
    if len(entries) != len(manifest.layers):
        return []
    made = [(layer, str(entry.get("created_by", ""))) for layer, entry in zip(manifest.layers, entries, strict=True)]
    return [(layer, text.removeprefix(_CREATED_BY)) for layer, text in made if text.startswith(_CREATED_BY)]


def _inherited_history(base: BaseImage | None) -> Sequence[Mapping[str, Any]]:
    """The base's history; if it does not have one entry a layer (AWS Lambda and Artifactory insist), a plain one in its place."""
    if base is None:
        return ()
    if len(base.manifest.layers) != len(base.config.diff_ids):
        raise IntegrityError(
            f"the base has {len(base.manifest.layers)} layers but {len(base.config.diff_ids)} diff_ids",
            where=base.name or str(base.digest),
        )
    with_layer = [entry for entry in base.config.history if not entry.get("empty_layer")]
    if len(with_layer) == len(base.config.diff_ids):
        return base.config.history
    return [{"created_by": f"base layer {number}"} for number, _ in enumerate(base.config.diff_ids, 1)]


def _in_family(layer: Descriptor, family: Format) -> Descriptor:
    """The same blob under the media type of `family`; its digest does not change."""
    if not is_layer(layer.media_type):
        raise BuildError(f"a layer of the base is of the unknown kind {layer.media_type}", where=str(layer.digest))
    if family is Format.DOCKER and layer.annotations:
        raise BuildError(
            "a layer of the base has annotations, which the docker format cannot carry",
            where=str(layer.digest),
            hint="use `format: oci`",
        )
    try:
        media_type = layer_type(family, compression_of(layer.media_type), foreign=is_foreign(layer.media_type))
    except UsageError as error:
        raise BuildError(error.what, where=str(layer.digest), hint=error.hint) from error
    return replace(layer, media_type=media_type)


def _settings(inherited: dict[str, Any], part: PlatformPlan, labels: Mapping[str, str]) -> dict[str, Any]:
    """The `config` object of the image, from the base's and the plan's."""
    wanted = part.settings
    settings = _without(inherited, part.unset)
    if wanted.entrypoint is not None and wanted.cmd is None:
        settings.pop("Cmd", None)
    settings |= _replacements(wanted)
    merged = {
        "Env": _merged_env(settings["Env"], wanted),
        "Labels": {**settings["Labels"], **labels, **dict(part.labels)},
        "ExposedPorts": {**(settings.get("ExposedPorts") or {}), **{port: {} for port in wanted.ports}},
        "Volumes": {**(settings.get("Volumes") or {}), **{volume: {} for volume in wanted.volumes}},
    }
    return {key: value for key, value in {**settings, **merged}.items() if value not in (None, "", [], {})}


def _without(inherited: dict[str, Any], unset: Unset) -> dict[str, Any]:
    names = {"ports": "ExposedPorts", "volumes": "Volumes", "cmd": "Cmd", "entrypoint": "Entrypoint"}
    gone = {names[field] for field in unset.fields}
    settings = {key: value for key, value in inherited.items() if key not in gone}
    settings["Env"] = [item for item in settings.get("Env") or () if item.partition("=")[0] not in unset.env]
    labels = settings.get("Labels") or {}
    settings["Labels"] = {key: value for key, value in labels.items() if key not in unset.labels}
    return settings


def _replacements(wanted: Settings) -> dict[str, Any]:
    candidates = {
        "Entrypoint": None if wanted.entrypoint is None else list(wanted.entrypoint),
        "Cmd": None if wanted.cmd is None else list(wanted.cmd),
        "WorkingDir": wanted.workdir,
        "User": wanted.user,
        "StopSignal": wanted.stop_signal,
        "Shell": None if wanted.shell is None else list(wanted.shell),
        "OnBuild": None if wanted.onbuild is None else list(wanted.onbuild),
        "Healthcheck": _healthcheck(wanted),
    }
    return {key: value for key, value in candidates.items() if value is not None}


def _healthcheck(wanted: Settings) -> dict[str, Any] | None:
    check = wanted.healthcheck
    if check is None:
        return None
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "Retries": check.retries,
    }
    return {"Test": list(check.test), **{key: value for key, value in times.items() if value}}


def _merged_env(inherited: Sequence[str], wanted: Settings) -> list[str]:
    """`NAME=VALUE` items: the base's in their order with new values in place, then what is new, in the order of the spec."""
    values = {item.partition("=")[0]: item for item in inherited}
    return list((values | {name: f"{name}={value}" for name, value in wanted.env}).values())
