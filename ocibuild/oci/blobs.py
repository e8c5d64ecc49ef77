"""The ports at which layouts, archives and registries meet: whoever reads or writes images speaks these, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.reference import Reference


class Outcome(StrEnum):
    """What became of a blob, a manifest or a name that a sink was asked to hold."""

    EXISTS = "exists"
    MOUNTED = "mounted"
    SENT = "sent"


class BlobReader(Protocol):
    """Opens a blob by its descriptor, as often as asked."""

    def open_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """The blob's bytes in chunks, size and digest verified as they stream.

        IntegrityError (at the latest after the last chunk) if they are not what the descriptor promises; NotFoundError if
        there is no such blob. Closing the iterator early is allowed.
        """
        ...


class ImageReader(BlobReader, Protocol):
    """A place that images can be read from."""

    def resolve(self, name: str | None) -> Descriptor:
        """The descriptor of the manifest or index under a tag, a digest or (None) the place's own default.

        NotFoundError names what is there instead, where the place can tell.
        """
        ...

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """The verified bytes of a manifest or index."""
        ...

    def blob_origins(self, descriptor: Descriptor) -> Sequence[Reference]:
        """Repositories that are known to hold this blob, from which a registry may mount it; possibly none."""
        ...

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """What refers to a manifest, each once, with its artifactType and annotations; of one artifact type if that is given.

        The manifest itself need not be there. Nor need what is listed, and it may turn out to refer to something else.
        """
        ...


@dataclass(frozen=True, slots=True)
class BlobSource:
    """A blob on offer: its descriptor, how to open its bytes (again after a failure), and where a registry could mount it from.

    `is_lost` says that the place only seems to hold it, and has to be given its bytes.
    """

    descriptor: Descriptor
    open: Callable[[], Iterator[bytes]]
    origins: Sequence[Reference] = ()
    is_lost: bool = False


class ImageSink(Protocol):
    """A place that images can be written to. A blob must be held before a manifest that names it is put."""

    def put_blob(self, source: BlobSource) -> Outcome:
        """Make the place hold the blob, reading its bytes only if it must. Safe to call from several threads."""
        ...

    def put_manifest(self, descriptor: Descriptor, raw: bytes) -> Outcome:
        """Hold a manifest or index under its digest. One that has a subject is listed among the subject's referrers."""
        ...

    def tag(self, descriptor: Descriptor, raw: bytes, name: str) -> Outcome:
        """Let `name` (a tag) point to a manifest that the place holds. EXISTS where it is known to have pointed there before."""
        ...


class ImagePlace(ImageReader, ImageSink, Protocol):
    """A place that images can be read from and written to: a repository, a layout."""


class BlobWriter(Protocol):
    """A blob whose digest is not known before its last byte."""

    def write(self, data: bytes | bytearray | memoryview) -> object:
        """Append `data`."""
        ...

    def commit(self, digest: Digest) -> None:
        """Publish what was written under `digest`, which the caller knows to be that of exactly these bytes."""
        ...


class BlobStore(Protocol):
    """A place where new blobs come into being."""

    def writer(self) -> AbstractContextManager[BlobWriter]:
        """A blob to write; leaving the context without `commit` leaves nothing behind."""
        ...


class PackedBlob(Protocol):
    """A blob that an earlier build wrote, open for reading in pieces."""

    def read(self, offset: int, length: int) -> bytes:
        """The bytes there; fewer, or none, where they cannot be had any more. Whoever uses them checks them."""
        ...


class BuildCache(Protocol):
    """What earlier builds left behind: records under keys, and the blobs that they speak of, as far as these still exist.

    All of it may vanish at any time; nothing of it is trusted further than it can be checked.
    """

    def recall(self, key: str) -> bytes | None:
        """The record that was kept under `key` last."""
        ...

    def remember(self, key: str, record: bytes, blob: Digest) -> None:
        """Keep a record about a blob of the place that is built into. A cache that cannot be written to is no error."""
        ...

    def restore(self, descriptor: Descriptor) -> bool:
        """Make the place that is built into hold this blob, if it does already or the cache still has it."""
        ...

    def packed_blob(self, digest: Digest) -> AbstractContextManager[PackedBlob | None]:
        """A blob of an earlier build, opened for the time of a block; None where it is gone."""
        ...
