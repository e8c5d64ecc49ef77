"""`archive`: an existing tar as a layer. Its bytes are the blob; what they unpack to gives the diff_id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from ocibuild.errors import IntegrityError, SourceError
from ocibuild.layers.archive_source import archive_chunks, find_archive
from ocibuild.layers.entries import FileContent
from ocibuild.layers.tar import BLOCK
from ocibuild.layers.tar_reader import check_header
from ocibuild.oci.blobs import BlobStore
from ocibuild.oci.compression import sniff, unpack
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.media_type import Compression, Format, layer_type
from ocibuild.plan import ArchiveLayer, BuiltLayer


def keep_archive(plan: ArchiveLayer, store: BlobStore, started: Callable[[int], object]) -> BuiltLayer:
    """Take the archive into `store` as it is; `started` is told its size once it is found.

    SourceError if it is missing, is no tar, or is not packed as the spec declares.
    """
    archive = find_archive(plan.context, plan.source, plan.origin)
    compression = _packing(plan, archive)
    started(archive.size)
    packed, plain = hashlib.sha256(), hashlib.sha256()
    with store.writer() as writer:

        def kept() -> Iterator[bytes]:
            for chunk in archive_chunks(archive):
                packed.update(chunk)
                writer.write(chunk)
                yield chunk

        try:
            for chunk in _as_tar(unpack(kept(), compression, subject=plan.source), plan):
                plain.update(chunk)
        except IntegrityError as error:
            raise SourceError(error.what, where=_where(plan), hint="make the archive again") from error
        digest = Digest("sha256", packed.hexdigest())
        writer.commit(digest)
    descriptor = Descriptor(layer_type(Format.OCI, compression), digest, archive.size)
    return BuiltLayer(plan.name, descriptor, Digest("sha256", plain.hexdigest()))


def _packing(plan: ArchiveLayer, archive: FileContent) -> Compression:
    """How the archive is packed, by its first bytes; what the spec declares has to agree."""
    chunks = archive_chunks(archive)
    head = next(chunks, b"")
    found = sniff(head)
    if plan.compression not in (None, found):
        raise SourceError(
            f"{plan.source!r} is packed with {found.value}, not with {plan.compression and plan.compression.value}",
            where=_where(plan),
            hint=f"write `compression: {found.value}`, or leave it out: the bytes say it",
        )
    if found is Compression.XZ:
        raise SourceError(
            f"{plan.source!r} is packed with xz, for which layers have no media type",
            where=_where(plan),
            hint="use `files: [{extract: ..., to: /}]`, or pack it with gzip or zstd",
        )
    return found


def _as_tar(chunks: Iterable[bytes], plan: ArchiveLayer) -> Iterator[bytes]:
    """`chunks` passed through, once their beginning has been seen to be that of a tar."""
    head = b""
    for chunk in chunks:
        if len(head) < BLOCK:
            head += chunk[: BLOCK - len(head)]
            if len(head) == BLOCK:
                check_header(head, plan.source)
        yield chunk
    if len(head) < BLOCK:
        raise SourceError(f"{plan.source!r} is no tar archive: it is too short", where=_where(plan))


def _where(plan: ArchiveLayer) -> str | None:
    return str(plan.origin) if plan.origin else None
