"""Manifests and indexes that were read: the parsed view beside the raw bytes that the digest is of.

image-spec manifest.md and image-index.md; Docker image manifest v2, schema 2. Writing them is `ocibuild.image`'s work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ocibuild.errors import IntegrityError, quoted
from ocibuild.oci.codec import CONFIG_LIMIT, decode_object
from ocibuild.oci.descriptor import Descriptor, describe, descriptor_from_json
from ocibuild.oci.digest import Digest
from ocibuild.oci.fields import media_type_in, object_in, promised_digest, string_map, text_in, texts_in
from ocibuild.oci.media_type import INDEXES, MANIFESTS
from ocibuild.oci.platform import Platform, platform_from_json


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image (or artifact): a config and layers, lowest first."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    artifact_type: str | None = None
    subject: Descriptor | None = None

    @property
    def descriptor(self) -> Descriptor:
        return describe(self.raw, self.media_type)

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """All that has to be in place before this document is."""
        return (self.config, *self.layers)


@dataclass(frozen=True, slots=True)
class Index:
    """Several manifests under one name; the first that suits a platform is the one that runs."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    artifact_type: str | None = None
    subject: Descriptor | None = None

    @property
    def descriptor(self) -> Descriptor:
        return describe(self.raw, self.media_type)

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """All that has to be in place before this document is."""
        return self.manifests


Document = Manifest | Index


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The config of a runnable image: its JSON object, and the two lists that tie it to the layers."""

    raw: bytes
    document: Mapping[str, Any]
    platform: Platform
    diff_ids: tuple[Digest, ...]
    history: tuple[Mapping[str, Any], ...]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The `config` object: what a runtime takes from the image; `{}` where there is none."""
        return self.document.get("config") or {}

    @property
    def layer_titles(self) -> tuple[str, ...]:
        """What the history says of each layer, `""` where it says nothing, or does not fit the layers."""
        entries = [entry for entry in self.history if not entry.get("empty_layer")]
        titles = tuple(str(entry.get("created_by") or entry.get("comment") or "") for entry in entries)
        return titles if len(titles) == len(self.diff_ids) else ("",) * len(self.diff_ids)


def parse_document(raw: bytes, media_type: str | None, *, subject: str) -> Document:
    """The manifest or index that `raw` holds.

    `media_type` is what its descriptor or the Content-Type says; None takes the document's own word. IntegrityError for a
    contradiction between the two, for a document that is both (CVE-2021-41190), and for any other malformation.
    """
    document = decode_object(raw, subject=subject)
    version = document.get("schemaVersion")
    if not isinstance(version, int) or version != 2:
        raise IntegrityError(
            f"{subject} has schemaVersion {quoted(version)}; only 2 is supported",
            hint="push the image again with a current tool" if version == 1 else None,
        )
    is_image = any(document.get(name) is not None for name in ("config", "layers"))
    if is_image and document.get("manifests") is not None:
        raise IntegrityError(f"{subject} claims to be a manifest and an index at once")
    declared = media_type_in(document, "mediaType", subject=subject)
    if declared is not None and media_type is not None and declared != media_type:
        raise IntegrityError(f"{subject} was announced as {quoted(media_type)} but says it is {quoted(declared)}")
    kind = media_type or declared or _guess(document)
    if kind in INDEXES and "manifests" in document and not is_image:
        return _index(raw, kind, document, subject)
    if kind in MANIFESTS and document.get("config") is not None:
        return _manifest(raw, kind, document, subject)
    raise IntegrityError(f"{subject} is no image manifest or index (media type {quoted(kind)})")


def parse_config(raw: bytes, *, subject: str) -> ImageConfig:
    """The image config that `raw` holds (image-spec config.md). IntegrityError where it is none.

    The members of `settings` that have a meaning are of the right type, or null; what their text says is not judged here.
    """
    document = decode_object(raw, subject=subject, limit=CONFIG_LIMIT)
    rootfs, history = document.get("rootfs"), document.get("history")
    if not isinstance(rootfs, dict):
        raise IntegrityError(f"{subject} is no image config: it has no rootfs")
    if history is not None and not (isinstance(history, list) and all(isinstance(entry, dict) for entry in history)):
        raise IntegrityError(f"{subject} has a history that is no list of objects")
    _check_settings(object_in(document, "config", subject=subject), f"config of {subject}")
    diff_ids = texts_in(rootfs, "diff_ids", subject=f"rootfs of {subject}")
    return ImageConfig(
        raw=raw,
        document=document,
        platform=platform_from_json(document, subject=subject),
        diff_ids=tuple(promised_digest(text, subject=f"a diff_id of {subject}") for text in diff_ids),
        history=tuple(history or ()),
    )


def _check_settings(settings: Mapping[str, Any], subject: str) -> None:
    for name in ("User", "WorkingDir", "StopSignal"):
        text_in(settings, name, subject=subject)
    for name in ("Cmd", "Entrypoint", "Env", "OnBuild", "Shell"):
        texts_in(settings, name, subject=subject)
    for name in ("ExposedPorts", "Healthcheck", "Volumes"):
        object_in(settings, name, subject=subject)
    string_map(settings.get("Labels"), subject=f"Labels of {subject}")


def _guess(document: Mapping[str, Any]) -> str | None:
    # image-spec: mediaType SHOULD be there; documents from before that rule are OCI by elimination.
    if document.get("config") is not None:
        return MANIFESTS[0]
    return INDEXES[0] if "manifests" in document else None


def _manifest(raw: bytes, media_type: str, document: Mapping[str, Any], subject: str) -> Manifest:
    return Manifest(
        raw=raw,
        media_type=media_type,
        config=descriptor_from_json(document["config"], subject=f"config of {subject}"),
        layers=_descriptors(document.get("layers"), "layer", subject),
        annotations=string_map(document.get("annotations"), subject=f"annotations of {subject}"),
        artifact_type=media_type_in(document, "artifactType", subject=subject),
        subject=_subject(document, subject),
    )


def _index(raw: bytes, media_type: str, document: Mapping[str, Any], subject: str) -> Index:
    return Index(
        raw=raw,
        media_type=media_type,
        manifests=_descriptors(document["manifests"], "manifest", subject),
        annotations=string_map(document.get("annotations"), subject=f"annotations of {subject}"),
        artifact_type=media_type_in(document, "artifactType", subject=subject),
        subject=_subject(document, subject),
    )


def _descriptors(value: Any, kind: str, subject: str) -> tuple[Descriptor, ...]:
    if value is not None and not isinstance(value, list):
        raise IntegrityError(f"{subject} has {kind}s that are no list")
    return tuple(
        descriptor_from_json(item, subject=f"{kind} {number} of {subject}")
        for number, item in enumerate(value or (), 1)
    )


def _subject(document: Mapping[str, Any], subject: str) -> Descriptor | None:
    value = document.get("subject")
    return None if value is None else descriptor_from_json(value, subject=f"subject of {subject}")
