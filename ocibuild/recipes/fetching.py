"""A blob that is read for its content, with progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ocibuild.events import Advanced, Emit, Finished, Stage, Started
from ocibuild.oci.blobs import BlobReader
from ocibuild.oci.descriptor import Descriptor


@contextmanager
def fetched(reader: BlobReader, descriptor: Descriptor, emit: Emit, *, outcome: str) -> Iterator[Iterator[bytes]]:
    """The chunks of a blob; a task, which ends with `outcome` unless the block raises."""
    task = str(descriptor.digest)
    emit(Started(task, Stage.FETCH, descriptor.digest.short, descriptor.size))

    def chunks() -> Iterator[bytes]:
        for chunk in reader.open_blob(descriptor):
            emit(Advanced(task, len(chunk)))
            yield chunk

    try:
        yield chunks()
    except BaseException:
        emit(Finished(task, "failed"))
        raise
    emit(Finished(task, outcome, descriptor.size))
