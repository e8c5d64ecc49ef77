"""What the tests of this folder share: sessions whose waits are recorded, and blobs to send."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ocibuild.events import Advanced, Event, Noted
from ocibuild.oci.blobs import BlobSource
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.media_type import OCI_CONFIG, OCI_MANIFEST
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.registry.credentials import ANONYMOUS, FindCredential, given
from ocibuild.registry.repository import Repository
from ocibuild.registry.session import Registries
from ocibuild.registry.settings import MIB, Settings

USER, PASSWORD = "octocat", "s3cret-and-more"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
KNOWN: FindCredential = given(USER, PASSWORD)
NOBODY: FindCredential = lambda _: ANONYMOUS  # noqa: E731


@dataclass
class Session:
    """Registries of one test. `waits` are the sleeps between attempts, which are not slept; `lines` the trace."""

    registries: Registries
    waits: list[float]
    events: list[Event]
    lines: list[str]

    def repository(self, host: str, name: str = "team/app") -> Repository:
        return self.registries.repository(parse_reference(f"{host}/{name}"))

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Noted) and event.warning]

    def advanced(self, descriptor: Descriptor) -> int:
        """What the progress of a blob adds up to."""
        task = str(descriptor.digest)
        return sum(event.amount for event in self.events if isinstance(event, Advanced) and event.task == task)


def open_session(**settings: Any) -> Session:
    """A session without real waits; `settings` replaces fields of Settings. To be closed."""
    waits: list[float] = []
    events: list[Event] = []
    lines: list[str] = []
    chosen = {
        "credentials": NOBODY,
        "sleep": waits.append,
        "emit": events.append,
        "trace": lines.append,
        **settings,
    }
    return Session(Registries(Settings(**chosen)), waits, events, lines)


@dataclass(frozen=True)
class Blob:
    """Bytes with their descriptor."""

    data: bytes = field(repr=False)
    media_type: str = LAYER

    @property
    def descriptor(self) -> Descriptor:
        return describe(self.data, self.media_type)

    @property
    def digest(self) -> str:
        return str(self.descriptor.digest)

    def source(self, *origins: Reference) -> BlobSource:
        return BlobSource(self.descriptor, self.open, origins)

    def open(self) -> Iterator[bytes]:
        step = MIB
        return (self.data[start : start + step] for start in range(0, len(self.data), step))


def blob_of(size: int, seed: int = 0) -> Blob:
    """A blob of `size` bytes that do not repeat; equal seeds give equal bytes."""
    return Blob(hashlib.shake_128(f"{size} {seed}".encode()).digest(size))


CONFIG = Blob(b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}', OCI_CONFIG)


def manifest_of(*layers: Blob) -> Blob:
    """The manifest of an image with CONFIG and these layers."""
    names = ",".join(_json(layer) for layer in layers)
    text = f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{_json(CONFIG)},"layers":[{names}]}}'
    return Blob(text.encode(), OCI_MANIFEST)


def _json(blob: Blob) -> str:
    return f'{{"mediaType":"{blob.media_type}","digest":"{blob.digest}","size":{len(blob.data)}}}'


def push(repository: Repository, layers: list[Blob], *tags: str) -> Blob:
    """Push an image in the order of the specification; gives its manifest."""
    manifest = manifest_of(*layers)
    for blob in (*layers, CONFIG):
        repository.put_blob(blob.source())
    repository.put_manifest(manifest.descriptor, manifest.data)
    for tag in tags:
        repository.tag(manifest.descriptor, manifest.data, tag)
    return manifest
