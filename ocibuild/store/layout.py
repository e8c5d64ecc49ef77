"""An OCI image layout in a directory: the place that builds go to and pushes come from (image-spec image-layout.md).

Besides the format's own files it holds `.ocibuild.lock` (empty; whoever changes the index holds it) and, where base layers
were left in their registry, `ocibuild-origins.json`. The format allows both unknown files and missing blobs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any, Self

from ocibuild.errors import IntegrityError, NotFoundError, StoreError, UsageError
from ocibuild.events import Emit, silent
from ocibuild.oci.blobs import BlobSource, Outcome
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest, verified, verify_bytes
from ocibuild.oci.media_type import OCI_INDEX
from ocibuild.oci.reference import Reference
from ocibuild.oci.referrers import referral_in, referrers_tag, with_referrer, without_referrers
from ocibuild.store.abandoned import remove_abandoned
from ocibuild.store.index_document import index_of, with_entries, without_entries
from ocibuild.store.locking import exclusive
from ocibuild.store.naming import NAMELESS, Entry, digest_in, full_reference, is_called, named
from ocibuild.store.origins import ORIGINS_FILE, ORIGINS_LIMIT, decode_origins, encode_origins, merge_origins
from ocibuild.store.reading import (
    BLOBS,
    INDEX_FILE,
    LAYOUT_DOCUMENT,
    LAYOUT_FILE,
    DirectoryFiles,
    LayoutReader,
    blob_path,
)
from ocibuild.store.writing import (
    BlobWriter,
    disk_errors,
    is_temporary,
    make_directory,
    sync_directory,
    write_file,
)

LOCK_FILE = ".ocibuild.lock"
# What may lie in a layout whose making was cut short; LAYOUT_FILE comes last and says that it is complete.
_BEGUN = frozenset({LOCK_FILE, BLOBS, INDEX_FILE})


class Layout(LayoutReader):
    """An image layout directory: an `ImageReader` and an `ImageSink`. Safe to use from several threads and processes."""

    def __init__(self, path: Path, *, emit: Emit = silent) -> None:
        super().__init__(DirectoryFiles(path, where=f"oci:{path}"))
        self.path = path
        self._emit = emit

    @classmethod
    def open(cls, path: str | Path, *, emit: Emit = silent) -> Self:
        """The layout at `path`. StoreError where there is none, IntegrityError for a version that is not 1.0.0."""
        path = Path(path)
        if not os.path.exists(path):
            raise StoreError(
                f"{path} does not exist", hint=f"`ocibuild build -o oci:{path}` makes an image layout there"
            )
        if os.path.isfile(path):
            hint = f"for an archive write oci-archive:{path} or docker-archive:{path}"
            raise StoreError(f"{path} is a file, and an image layout is a directory", hint=hint)
        return cls(path, emit=emit)

    @classmethod
    def create(cls, path: str | Path, *, emit: Emit = silent) -> Self:
        """The layout at `path`, for writing: made where it is missing, cleared of what killed runs left where it is not.

        UsageError for a directory that holds something else.
        """
        path = Path(path)
        make_directory(path)
        _refuse_other_content(path)
        make_directory(path / BLOBS / "sha256")
        for directory in (path, *_subdirectories(path / BLOBS)):
            remove_abandoned(directory, is_temporary)
        if not all(os.path.exists(path / name) for name in (LAYOUT_FILE, INDEX_FILE)):
            with exclusive(path / LOCK_FILE, emit=emit):
                _begin(path)
        return cls(path, emit=emit)

    def has_blob(self, digest: Digest, size: int) -> bool:
        """Whether a file of this name and size is there. It is not read; whoever reads it has it verified."""
        try:
            status = (self.path / blob_path(digest)).lstat()
        except OSError:
            return False
        return S_ISREG(status.st_mode) and status.st_size == size

    def writer(self, algorithm: str = "sha256") -> BlobWriter:
        """A blob whose digest its writer will know at the end: `write` its bytes, then `commit` the digest."""
        directory = self.path / BLOBS / algorithm
        make_directory(directory)
        return BlobWriter(directory)

    def put_blob(self, source: BlobSource) -> Outcome:
        """Make the layout hold the blob. One that is there already is read, and written anew if it is damaged.

        IntegrityError if the source's bytes are not what its descriptor promises: then nothing is kept of them.
        """
        descriptor = source.descriptor
        if self._holds(descriptor):
            return Outcome.EXISTS
        with self.writer(descriptor.digest.algorithm) as blob:
            subject = f"blob {descriptor.digest}"
            for chunk in verified(source.open(), descriptor.digest, descriptor.size, subject=subject):
                blob.write(chunk)
            blob.commit(descriptor.digest)
        return Outcome.SENT

    def put_manifest(self, descriptor: Descriptor, raw: bytes) -> Outcome:
        """Hold a manifest or index under its digest. IntegrityError if `raw` is not what `descriptor` promises.

        One with a subject is entered in the list of the subject's referrers, which is kept as a registry without an API
        for them has it: under the tag of distribution-spec, "Referrers Tag Schema".
        """
        verify_bytes(raw, descriptor.digest, descriptor.size, subject=f"manifest {descriptor.digest}")
        outcome = self.put_blob(BlobSource(descriptor, lambda: iter((raw,))))
        if referral := referral_in(descriptor, raw):
            with self._exclusive():
                self._change_referrers(referral.subject, lambda listed: with_referrer(listed, referral.referrer))
        return outcome

    def put_bytes(self, raw: bytes, media_type: str) -> Descriptor:
        """Hold `raw` as a blob; its descriptor."""
        descriptor = describe(raw, media_type)
        self.put_blob(BlobSource(descriptor, lambda: iter((raw,))))
        return descriptor

    def tag(self, descriptor: Descriptor, raw: bytes, name: str) -> Outcome:
        """Let `name`, a tag or a full reference, point to this manifest."""
        self.put_manifest(descriptor, raw)
        reference = full_reference(name)
        self.name(descriptor, reference=reference, tag=None if reference else name)
        return Outcome.SENT

    def name(
        self,
        descriptor: Descriptor,
        *,
        reference: Reference | None = None,
        tag: str | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """List a manifest in index.json, as `tag` (default: the reference's) of the image `reference`, with `annotations`.

        Each may be absent. What had the same image and tag is listed no more; all else stays. NotFoundError if the layout
        does not hold the manifest: the index is the last to be written.
        """
        self.name_all([named(descriptor, reference=reference, tag=tag, annotations=annotations)])

    def name_all(self, images: Sequence[Descriptor]) -> None:
        """List manifests, which carry their names as `naming.named` puts them, in one step: either all or none."""
        for image in images:
            if not self.has_blob(image.digest, image.size):
                raise NotFoundError(f"there is no manifest {image.digest} in {self.where} to be named")
        digests = {image.digest for image in images}

        def stays(entry: Entry) -> bool:
            """An image without a name takes the place of another one, but not that of a referrer."""
            is_new = entry.descriptor.digest in digests
            return entry.key == NAMELESS and not is_new and self._refers(entry.descriptor) is not None

        with self._exclusive():
            self._change_index(lambda index, subject: with_entries(index, images, subject=subject, stays=stays))

    def remove(self, name: str) -> tuple[Entry, ...]:
        """List no more what is called `name`, a tag or a full reference, or has this digest; gives the entries that went.

        A referrer that goes by its digest is struck off its subject's list too. Blobs stay where they are. NotFoundError
        where there is nothing to remove, UsageError for a name that means several images.
        """
        digest = digest_in(name)
        with self._exclusive():
            image = self.resolve(name)
            same = (each for each in self.entries() if each.descriptor.digest == image.digest)
            gone = tuple(each for each in same if digest or is_called(each, name))
            self._change_index(lambda index, subject: without_entries(index, gone.__contains__, subject=subject))
            if digest is not None and self._strike(image) and not gone:
                gone = (Entry(None, None, image),)
        if not gone:
            raise NotFoundError(f"{self.where} does not list {digest}", hint="delete the index that it belongs to")
        return gone

    def record_origins(self, origins: Mapping[Digest, Reference]) -> None:
        """Remember repositories that hold blobs, whether the layout has these blobs or not."""
        with self._exclusive():
            known = self._origins()
            merged = merge_origins(known, origins)
            if merged != known:
                write_file(self.path / ORIGINS_FILE, encode_origins(merged))

    def blob_origins(self, descriptor: Descriptor) -> Sequence[Reference]:
        """The repositories that were recorded for this blob, in the order of their names."""
        return self._origins().get(descriptor.digest, ())

    def _change_index(self, change: Callable[[dict[str, Any], str], dict[str, Any]]) -> None:
        """To be called by whoever holds the lock, as all that changes the index."""
        document = self._read_index()
        changed = change(document, self._subject(INDEX_FILE))
        if changed != document:
            write_file(self.path / INDEX_FILE, encode(changed))

    def _change_referrers(self, subject: Digest, change: Callable[[bytes | None], bytes | None]) -> None:
        tag = referrers_tag(subject)
        lists = [entry for entry in self.entries() if entry.reference is None and entry.tag == tag]
        before = self.read_manifest(lists[0].descriptor) if lists else None
        after = change(before)
        if after is not None and after != before:
            entry = named(self.put_bytes(after, OCI_INDEX), tag=tag)
            self._change_index(lambda index, where: with_entries(index, [entry], subject=where))

    def _strike(self, descriptor: Descriptor) -> bool:
        """Take a referrer off its subject's list; whether it was on it."""
        referral = self._refers(descriptor)
        if referral is None or all(each.digest != descriptor.digest for each in self.referrers(referral.subject)):
            return False
        gone = {descriptor.digest}
        self._change_referrers(referral.subject, lambda listed: listed and without_referrers(listed, gone))
        return True

    def _origins(self) -> dict[Digest, tuple[Reference, ...]]:
        subject = self._subject(ORIGINS_FILE)
        try:
            return decode_origins(self._read(ORIGINS_FILE, subject, ORIGINS_LIMIT), subject=subject)
        except NotFoundError:
            return {}

    def _holds(self, descriptor: Descriptor) -> bool:
        # An equal size proves nothing after a crash of the machine, or an edit; reading is cheaper than any upload.
        if not self.has_blob(descriptor.digest, descriptor.size):
            return False
        try:
            for _ in self.open_blob(descriptor):
                pass
        except (IntegrityError, NotFoundError):  # damaged; removed meanwhile
            return False
        return True

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with exclusive(self.path / LOCK_FILE, emit=self._emit):
            yield


def _refuse_other_content(path: Path) -> None:
    with disk_errors("list", path):
        names = os.listdir(path)
    strangers = [name for name in names if name not in _BEGUN and not is_temporary(name)]
    if strangers and LAYOUT_FILE not in names:
        raise UsageError(
            f"{path} holds other files ({min(strangers)}) and is no OCI image layout",
            hint="name a new or an empty directory",
        )


def _subdirectories(path: Path) -> list[Path]:
    with disk_errors("list", path):
        return [each for each in path.iterdir() if each.is_dir()]


def _begin(path: Path) -> None:
    with disk_errors("write to", path):
        sync_directory(path / BLOBS)
    if not os.path.exists(path / INDEX_FILE):
        write_file(path / INDEX_FILE, encode(index_of([])))
    if not os.path.exists(path / LAYOUT_FILE):
        write_file(path / LAYOUT_FILE, encode(LAYOUT_DOCUMENT))
