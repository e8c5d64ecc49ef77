"""A reader over a place that lacks some blobs, with the repositories that they can be had from.

A layout need not hold the layers of a base image: they stay in the base's registry, and a push mounts or copies them from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ocibuild.errors import NotFoundError
from ocibuild.oci.blobs import BlobReader, ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.reference import Reference

Lend = Callable[[Reference], BlobReader]


class BorrowingReader:
    """An `ImageReader`: all of `place`, and for blobs that it lacks, whoever `lend` finds for their origins."""

    def __init__(self, place: ImageReader, lend: Lend) -> None:
        self._place = place
        self._lend = lend

    def resolve(self, name: str | None) -> Descriptor:
        return self._place.resolve(name)

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        return self._place.read_manifest(descriptor)

    def blob_origins(self, descriptor: Descriptor) -> Sequence[Reference]:
        return self._place.blob_origins(descriptor)

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        return self._place.referrers(subject, artifact_type)

    def open_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """The blob from the place itself, else from the first origin that has it. NotFoundError if none does."""
        try:
            yield from self._place.open_blob(descriptor)
        except NotFoundError as error:
            yield from self._borrowed(descriptor, error)

    def _borrowed(self, descriptor: Descriptor, error: NotFoundError) -> Iterator[bytes]:
        origins = self._place.blob_origins(descriptor)
        for origin in origins:
            chunks = self._lend(origin).open_blob(descriptor)
            try:
                first = next(chunks, b"")
            except NotFoundError:
                continue
            yield first
            yield from chunks
            return
        if not origins:
            raise error
        names = ", ".join(origin.name for origin in origins)
        hint = f"it was left in {names}, which no longer has it: build again on a base that is there"
        raise NotFoundError(error.what, where=error.where, hint=hint) from error
