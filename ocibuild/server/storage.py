"""What the registry needs of the place that it serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.reference import Reference


class Named(Protocol):
    """One name that the place lists: a full reference, or a bare tag, or neither."""

    @property
    def reference(self) -> Reference | None: ...

    @property
    def tag(self) -> str | None: ...

    @property
    def descriptor(self) -> Descriptor: ...


class Upload(Protocol):
    """A blob in the making."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """What was written so far, from its beginning."""
        ...

    def commit(self, digest: Digest) -> None:
        """Publish what was written as the blob `digest`, which the caller has computed over exactly these bytes."""
        ...

    def discard(self) -> None:
        """Leave nothing behind, unless it was committed."""
        ...


class Storage(Protocol):
    """One pool of blobs, and a list of names. Safe to use from several threads; others may change it at the same time."""

    def names(self) -> Sequence[Named]:
        """What is listed. The same object as long as nothing changes."""
        ...

    def change_names(self, *, put: Iterable[tuple[Reference, Descriptor]], drop: Callable[[Named], bool]) -> None:
        """List each descriptor of `put` under its reference, instead of all names that `drop` says yes to."""
        ...

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """The verified bytes of a manifest or index. NotFoundError or IntegrityError where they are not there."""
        ...

    def size_of(self, digest: Digest) -> int | None:
        """The size of a blob; None where there is none."""
        ...

    def open_file(self, digest: Digest) -> BinaryIO:
        """A file to send a blob from, not verified. NotFoundError where there is none."""
        ...

    def new_upload(self) -> Upload:
        """A blob to be received."""
        ...

    def remove_blob(self, digest: Digest) -> None:
        """Remove a blob, if it is there."""
        ...
