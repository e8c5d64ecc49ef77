"""Artifacts about images: attached to them, and found again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ocibuild.errors import SourceError, UsageError
from ocibuild.events import Finished, Stage, Started
from ocibuild.graph import find_image
from ocibuild.oci.artifact import EMPTY, artifact_manifest, parse_type
from ocibuild.oci.blobs import BlobSource, ImagePlace, ImageReader
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest, verified
from ocibuild.oci.location import LayoutLocation, Location, RegistryLocation, name_in
from ocibuild.oci.media_type import OCI_MANIFEST
from ocibuild.oci.platform import Platform
from ocibuild.recipes.places import Places
from ocibuild.spec.times import format_time, parse_seconds
from ocibuild.store.layout import Layout
from ocibuild.transfer import Manner, put_blob

TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is to be attached, as what. `media_type` (default: the artifact's type) is that of the file alone; `epoch`
    is SOURCE_DATE_EPOCH, without which the artifact says nothing of when it was made."""

    file: Path
    artifact_type: str
    media_type: str | None = None
    annotations: Mapping[str, str] | None = None
    epoch: str | None = None


def attach(image: Location, attachment: Attachment, places: Places, *, platform: Platform | None = None) -> Descriptor:
    """Put an artifact of one file next to an image, which it refers to; with `platform`, to that one image out of an index.

    Equal files give equal digests. SourceError for a file that cannot be read, IntegrityError for one that changes meanwhile.
    """
    artifact_type = parse_type(attachment.artifact_type)
    media_type = parse_type(attachment.media_type or artifact_type)
    annotations = _annotations(attachment)
    place = _changeable(image, places)
    subject = _subject(place, image, platform)
    file = _describe_file(attachment.file, media_type)
    raw = artifact_manifest(artifact_type, [file], subject, annotations)
    artifact = describe(raw, OCI_MANIFEST, artifact_type=artifact_type)
    manner = Manner(1, places.emit, titles={file.digest: attachment.file.name, EMPTY.digest: "config"})
    put_blob(BlobSource(EMPTY, lambda: iter((b"{}",))), place, manner)
    put_blob(BlobSource(file, partial(_open, attachment.file, file)), place, manner)
    task = str(artifact.digest)
    places.emit(Started(task, Stage.MANIFEST, artifact.digest.short, artifact.size))
    outcome = place.put_manifest(artifact, raw)
    places.emit(Finished(task, outcome.value, artifact.size))
    return artifact


@dataclass(frozen=True, slots=True)
class Referred:
    """An image, and what refers to it."""

    subject: Descriptor
    referrers: tuple[Descriptor, ...]


def referrers(
    image: Location, places: Places, *, artifact_type: str | None = None, platform: Platform | None = None
) -> Referred:
    """What refers to an image (with `platform`, to that one out of an index), sorted by type; of one type if that is given."""
    reader = places.reader(image)
    subject = _subject(reader, image, platform)
    found = reader.referrers(subject.digest, artifact_type)
    return Referred(subject, tuple(sorted(found, key=lambda each: (each.artifact_type or "", each.digest))))


def _subject(reader: ImageReader, image: Location, platform: Platform | None) -> Descriptor:
    top = reader.resolve(name_in(image))
    return find_image(reader, top, platform) if platform else top


def _changeable(image: Location, places: Places) -> ImagePlace:
    if isinstance(image, RegistryLocation):
        return places.repository(image.reference)
    if isinstance(image, LayoutLocation):
        return Layout.open(image.path, emit=places.emit)
    raise UsageError(
        f"{image} is an archive, and archives are not changed", hint="copy it to a layout, then attach to it there"
    )


def _annotations(attachment: Attachment) -> dict[str, str]:
    given = dict(attachment.annotations or {})
    if attachment.epoch is None:
        return given
    try:
        created = format_time(parse_seconds(attachment.epoch))
    except UsageError as error:
        raise UsageError(error.what, where="SOURCE_DATE_EPOCH", hint=error.hint) from error
    return {CREATED: created, **given}


def _describe_file(path: Path, media_type: str) -> Descriptor:
    hasher, size = hashlib.sha256(), 0
    for chunk in _chunks(path):
        hasher.update(chunk)
        size += len(chunk)
    return Descriptor(media_type, Digest("sha256", hasher.hexdigest()), size, annotations={TITLE: path.name})


def _open(path: Path, descriptor: Descriptor) -> Iterator[bytes]:
    return verified(_chunks(path), descriptor.digest, descriptor.size, subject=f"{path}, which changed meanwhile,")


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise SourceError(
            f"cannot read the file to attach: {os.strerror(error.errno or 0)}",
            where=str(path),
            hint="name a file that is there and can be read",
        ) from error
