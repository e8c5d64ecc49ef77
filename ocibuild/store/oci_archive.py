"""An OCI image layout in a tar file (`oci-archive:`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import parse_document
from ocibuild.oci.media_type import ACCEPTED, is_foreign
from ocibuild.store.index_document import index_of
from ocibuild.store.reading import INDEX_FILE, LAYOUT_DOCUMENT, LAYOUT_FILE, LayoutReader, blob_path
from ocibuild.store.tar_reading import TarFiles
from ocibuild.store.tar_writing import TarWriter
from ocibuild.store.writing import output_file


def open_oci_archive(path: str | Path) -> LayoutReader:
    """The layout in the tar at `path`. StoreError where it cannot be read or is none."""
    return LayoutReader(TarFiles(Path(path), where=f"oci-archive:{path}"))


def write_oci_archive(path: str | Path, reader: ImageReader, images: Sequence[Descriptor]) -> None:
    """Write `images`, which carry their names as `naming.named` puts them, and all that they refer to, from `reader`.

    Equal images give equal bytes. Foreign layers are left out, as they are from a registry. An existing file is replaced
    once the new one is complete.
    """
    contents = _contents(reader, images)
    with output_file(Path(path)) as file:
        archive = TarWriter(file)
        archive.add(LAYOUT_FILE, [encode(LAYOUT_DOCUMENT)])
        archive.add(INDEX_FILE, [encode(index_of(images))])
        for digest in sorted(contents):
            archive.add(blob_path(digest), contents[digest]())
        archive.finish()


def _contents(reader: ImageReader, images: Sequence[Descriptor]) -> dict[Digest, Callable[[], Iterable[bytes]]]:
    """Every document and blob that `images` lead to, and how to open it."""
    found: dict[Digest, Callable[[], Iterable[bytes]]] = {}
    waiting = list(images)
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest in found or is_foreign(descriptor.media_type):
            continue
        if descriptor.media_type in ACCEPTED:
            raw = reader.read_manifest(descriptor)
            found[descriptor.digest] = partial(iter, (raw,))
            subject = f"manifest {descriptor.digest}"
            waiting.extend(parse_document(raw, descriptor.media_type, subject=subject).children)
        else:
            found[descriptor.digest] = partial(reader.open_blob, descriptor)
    return found
