"""`archive`: an existing tar as a layer. Its bytes are the blob; what they unpack to gives the diff_id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from ocibuild.errors import SourceError
from ocibuild.layers.archive_source import CHUNK, placed
from ocibuild.layers.context import read_file
from ocibuild.layers.found import Found
from ocibuild.oci.blobs import BlobStore
from ocibuild.oci.compression import sniff, unpack
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.media_type import Compression, Format, layer_type
from ocibuild.oci.tar_format import printable
from ocibuild.oci.tar_reader import TarReader
from ocibuild.plan import ArchiveLayer, BuiltLayer


def keep_archive(plan: ArchiveLayer, archive: Found, store: BlobStore, advance: Callable[[int], None]) -> BuiltLayer:
    """Take `archive` into `store` as it is; `advance` is told the bytes that are done.

    SourceError if it is no whole tar, has a path twice, or is not packed as the spec declares.
    """
    compression = _packing(plan, archive)
    packed, plain = hashlib.sha256(), hashlib.sha256()
    with store.writer() as writer:

        def kept() -> Iterator[bytes]:
            for chunk in read_file(archive, CHUNK):
                packed.update(chunk)
                writer.write(chunk)
                advance(len(chunk))
                yield chunk

        def unpacked() -> Iterator[bytes]:
            for chunk in unpack(kept(), compression, subject=repr(plan.source)):
                plain.update(chunk)
                yield chunk

        with placed(plan.origin):
            _check_members(unpacked(), repr(plan.source))
        digest = Digest("sha256", packed.hexdigest())
        writer.commit(digest)
    descriptor = Descriptor(layer_type(Format.OCI, compression), digest, archive.size)
    return BuiltLayer(plan.name, descriptor, Digest("sha256", plain.hexdigest()))


def _packing(plan: ArchiveLayer, archive: Found) -> Compression:
    """How the archive is packed, by its first bytes; what the spec declares has to agree."""
    where = str(plan.origin) if plan.origin else None
    found = sniff(next(read_file(archive, CHUNK), b""))
    if plan.compression not in (None, found):
        raise SourceError(
            f"{plan.source!r} is packed with {found.value}, not with {plan.compression and plan.compression.value}",
            where=where,
            hint=f"write `compression: {found.value}`, or leave it out: the bytes say it",
        )
    if found is Compression.XZ:
        raise SourceError(
            f"{plan.source!r} is packed with xz, for which layers have no media type",
            where=where,
            hint="use `files: [{extract: ..., to: /}]`, or pack it with gzip or zstd",
        )
    return found


def _check_members(chunks: Iterable[bytes], subject: str) -> None:
    """Read the archive to its end. What runtimes would stumble over is an error here, where it can be mended."""
    seen: set[bytes] = set()
    for member in TarReader(chunks, subject):
        path = b"/".join(part for part in member.path.split(b"/") if part not in (b"", b"."))
        # podman 4.3 fails on a path that comes twice, be it that of a directory (image-spec layer.md: MUST NOT).
        if path in seen:
            raise SourceError(
                f"{subject} holds {printable(path)!r} twice, which no layer may",
                hint="use `files: [{extract: ..., to: /}]`, where the last one counts",
            )
        seen.add(path)
