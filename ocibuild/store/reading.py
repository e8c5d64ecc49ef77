"""Reading the image layout format (image-spec image-layout.md), be it a directory or a tar; nothing in it is trusted.

A digest is a file name only after `parse_digest`; a size is compared before a byte is read; what is handed on was hashed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple, Protocol

from ocibuild.errors import IntegrityError, NotFoundError, StoreError
from ocibuild.oci.codec import MANIFEST_LIMIT, decode_object
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest, verified, verify_bytes
from ocibuild.oci.documents import parse_document
from ocibuild.oci.media_type import ACCEPTED
from ocibuild.oci.reference import Reference
from ocibuild.oci.referrers import Referral, of_type, referral_in, referrers_in, referrers_tag
from ocibuild.store.index_document import INDEX_LIMIT, entries_of
from ocibuild.store.naming import Entry, choose, digest_in
from ocibuild.store.writing import disk_errors, store_error

LAYOUT_FILE, INDEX_FILE, BLOBS = "oci-layout", "index.json", "blobs"
LAYOUT_VERSION = "1.0.0"
LAYOUT_DOCUMENT = {"imageLayoutVersion": LAYOUT_VERSION}
_NO_LAYOUT = "name a directory that `ocibuild build` made; what `docker save` made is a docker-archive:"
_CHUNK = 1 << 20
_LAYOUT_FILE_LIMIT = 64 * 1024


class OpenFile(NamedTuple):
    """A file that is open: its size, and its bytes in chunks of at most 1 MiB."""

    size: int
    chunks: Iterator[bytes]


class Files(Protocol):
    """Where the files of a layout or an archive come from."""

    @property
    def where(self) -> str:
        """What messages call this place."""
        ...

    def open(self, name: str) -> AbstractContextManager[OpenFile]:
        """Opens the file of this relative path. FileNotFoundError where there is none."""
        ...


class DirectoryFiles:
    """The files below a directory. Only regular files are opened, and no symbolic link is."""

    def __init__(self, root: Path, *, where: str) -> None:
        self._root = root
        self.where = where

    @contextmanager
    def open(self, name: str) -> Iterator[OpenFile]:
        """Opens a file. IntegrityError if it is a link, a pipe or a device: such a layout is not what its maker wrote."""
        path = self._root / name
        fd = open_regular(path)
        try:
            yield OpenFile(os.fstat(fd).st_size, _chunks(fd, path))
        finally:
            os.close(fd)


def open_regular(path: Path) -> int:
    """A descriptor of the regular file at `path`, for reading. FileNotFoundError where there is nothing, IntegrityError where
    there is something else, StoreError where the system refuses."""
    try:
        # O_NONBLOCK: opening a named pipe would wait for a writer before fstat could tell what it is.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise IntegrityError("a symbolic link stands where a file should", where=str(path)) from error
        raise store_error("open", path, error) from error
    if not S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise IntegrityError("no regular file stands where one should", where=str(path))
    return fd


def _chunks(fd: int, path: Path) -> Iterator[bytes]:
    with disk_errors("read", path):
        while chunk := os.read(fd, _CHUNK):
            yield chunk


class LayoutReader:
    """An image layout that can be read: an `ImageReader`. Safe to use from several threads."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._check_version()

    @property
    def where(self) -> str:
        """What messages call this layout."""
        return self._files.where

    def entries(self) -> list[Entry]:
        """The images that the layout names, in the order of its index."""
        return entries_of(self._read_index(), subject=self._subject(INDEX_FILE))

    def resolve(self, name: str | None) -> Descriptor:
        """The image under a full reference, a tag or a digest, or (None) the only one.

        A digest may also be that of a manifest that an index in here names. What refers to another manifest is not an
        image of its own. NotFoundError and UsageError (for a name that means several images) list what there is.
        """
        entries = self.entries()
        if name is None and len({entry.descriptor.digest for entry in entries}) > 1:
            entries = [entry for entry in entries if not self._refers(entry.descriptor)]
        digest = digest_in(name) if name else None
        if digest is None:
            return choose(entries, name, where=self.where)
        known = (entry.descriptor for entry in entries if entry.descriptor.digest == digest)
        return next(known, None) or self._held_manifest(digest)

    def open_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """The blob in chunks of at most 1 MiB: its size is compared first, its digest is verified as they stream.

        IntegrityError for other bytes than promised, a symbolic link included; NotFoundError if there is no such blob.
        """
        subject = self._subject(f"blob {descriptor.digest}")
        with self._open(blob_path(descriptor.digest), subject) as (size, chunks):
            if size != descriptor.size:
                raise IntegrityError(f"{subject} has {size} bytes where its descriptor promises {descriptor.size}")
            yield from verified(chunks, descriptor.digest, size, subject=subject)

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """The verified bytes of a manifest or index. IntegrityError for one of more than 4 MiB."""
        if descriptor.size > MANIFEST_LIMIT:
            raise IntegrityError(
                f"manifest {descriptor.digest} has {descriptor.size} bytes; at most {MANIFEST_LIMIT} are accepted",
                where=self.where,
            )
        return b"".join(self.open_blob(descriptor))

    def blob_origins(self, descriptor: Descriptor) -> Sequence[Reference]:
        """No repository: the format has no place for them."""
        del descriptor
        return ()

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """What refers to a manifest: by the list under the referrers tag (as we and regclient write it), and of all that the
        index names (as oras writes it) what has this subject. Of the latter, what cannot be read is passed over."""
        found = (referrer for entry in self.entries() for referrer in self._referrers_at(entry, subject))
        return of_type(found, artifact_type)

    def _referrers_at(self, entry: Entry, subject: Digest) -> Sequence[Descriptor]:
        if entry.tag == referrers_tag(subject):
            raw = self.read_manifest(entry.descriptor)
            return referrers_in(raw, subject=self._subject(f"the list of referrers {entry.tag}"))
        referral = self._refers(entry.descriptor)
        return (referral.referrer,) if referral and referral.subject == subject else ()

    def _refers(self, descriptor: Descriptor) -> Referral | None:
        """What a manifest refers to; None also for one that is missing or damaged, whose turn to be noticed is another."""
        if descriptor.media_type not in ACCEPTED:
            return None
        try:
            return referral_in(descriptor, self.read_manifest(descriptor))
        except (NotFoundError, IntegrityError):
            return None

    def _held_manifest(self, digest: Digest) -> Descriptor:
        subject = self._subject(f"manifest {digest}")
        raw = self._read(blob_path(digest), subject, MANIFEST_LIMIT)
        verify_bytes(raw, digest, len(raw), subject=subject)
        return Descriptor(parse_document(raw, None, subject=subject).media_type, digest, len(raw))

    def _read_index(self) -> dict[str, Any]:
        subject = self._subject(INDEX_FILE)
        return decode_object(self._required(INDEX_FILE, INDEX_LIMIT), subject=subject, limit=INDEX_LIMIT)

    def _check_version(self) -> None:
        subject = self._subject(LAYOUT_FILE)
        version = decode_object(self._required(LAYOUT_FILE, _LAYOUT_FILE_LIMIT), subject=subject)
        if version.get("imageLayoutVersion") != LAYOUT_VERSION:
            raise IntegrityError(
                f"{subject} has imageLayoutVersion {version.get('imageLayoutVersion')!r}; only {LAYOUT_VERSION} is supported"
            )

    def _required(self, name: str, limit: int) -> bytes:
        try:
            return self._read(name, self._subject(name), limit)
        except NotFoundError as error:
            raise StoreError(f"{self.where} is no OCI image layout: it has no {name}", hint=_NO_LAYOUT) from error

    def _read(self, name: str, subject: str, limit: int) -> bytes:
        with self._open(name, subject) as (size, chunks):
            if size > limit:
                raise IntegrityError(f"{subject} has {size} bytes; at most {limit} are accepted")
            return b"".join(chunks)

    @contextmanager
    def _open(self, name: str, subject: str) -> Iterator[OpenFile]:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(self._files.open(name))
            except FileNotFoundError as error:
                raise NotFoundError(f"there is no {subject}") from error
            yield file

    def _subject(self, name: str) -> str:
        return f"{name} in {self.where}"


def blob_path(digest: Digest) -> str:
    """Where a layout keeps a blob, relative to its root."""
    return f"{BLOBS}/{digest.algorithm}/{digest.encoded}"
