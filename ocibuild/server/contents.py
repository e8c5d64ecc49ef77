"""Which repository holds what. All repositories share one pool of blobs; each sees its own part of it.

A repository holds what its names lead to, which is read from the place that is served, and what was uploaded, mounted or
pushed to it since the server began, which only the memory knows. So an image whose tag moves away stays readable by digest
until the server ends, and what another process names is there at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from ocibuild.errors import IntegrityError, NotFoundError
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import Document, parse_document
from ocibuild.oci.media_type import ACCEPTED
from ocibuild.server.names import Names, names_of
from ocibuild.server.storage import Named, Storage

_DEPTH_LIMIT = 8  # of nested indexes; more is a mistake or an attack


class Contents:
    """The repositories of a place. Safe to use from several threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._holdings: dict[str, _Holding] = {}
        self._names: tuple[Sequence[Named], Names] = ((), Names({}, {}))

    @property
    def names(self) -> Names:
        """What is listed now, by repository."""
        listed = self._storage.names()
        if self._names[0] is not listed:
            self._names = listed, names_of(listed)
        return self._names[1]

    def repositories(self) -> list[str]:
        """Every repository that has a name in it, sorted."""
        return sorted(self.names.roots)

    def is_known(self, repository: str) -> bool:
        """Whether there is such a repository: something in it is listed, or was sent to it since the server began."""
        return repository in self._holdings or repository in self.names.roots

    def find(self, repository: str, digest: Digest) -> Descriptor | None:
        """Type and size of what a repository holds under a digest, as what leads to it has them."""
        holding = self._up_to_date(repository)
        return holding.known.get(digest) if holding else None

    def referrers(self, repository: str, subject: Digest) -> list[Descriptor]:
        """The manifests of a repository that have this subject, in the order of their digests."""
        holding = self._up_to_date(repository)
        found = dict(holding.referrers.get(subject, {})) if holding else {}
        return [found[digest] for digest in sorted(found)]

    def is_elsewhere(self, repository: str, digest: Digest) -> bool:
        """Whether another repository holds it too."""
        others = {*self.repositories(), *self._holdings} - {repository}
        return any(self.find(other, digest) for other in sorted(others))

    def add(self, repository: str, descriptor: Descriptor) -> None:
        """A repository holds this from now on, and (of a manifest) all below it."""
        holding = self._holdings.setdefault(repository, _Holding())
        with holding.lock:
            holding.take_in(self._storage, descriptor)

    def forget(self, repository: str, digest: Digest) -> None:
        """A repository does not hold this any longer."""
        holding = self._up_to_date(repository)
        if holding:
            with holding.lock:
                holding.forget(digest)

    def _up_to_date(self, repository: str) -> _Holding | None:
        roots = self.names.roots.get(repository, ())
        if not roots and repository not in self._holdings:
            return None
        holding = self._holdings.setdefault(repository, _Holding())
        with holding.lock:
            if holding.roots is not roots:
                for root in roots:
                    if root.digest not in holding.read:
                        holding.take_in(self._storage, root)
                holding.roots = roots
        return holding


class _Holding:
    """What one repository holds. `read` are the manifests whose content was looked at."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: dict[Digest, Descriptor] = {}
        self.referrers: dict[Digest, dict[Digest, Descriptor]] = {}
        self.roots: Sequence[Descriptor] = ()
        self.read: set[Digest] = set()

    def take_in(self, storage: Storage, top: Descriptor) -> None:
        for found, document in walk(storage, top):
            descriptor = Descriptor(found.media_type, found.digest, found.size)
            # What came as a mere blob may turn out to be a manifest; no manifest ever becomes less.
            known = self.known.get(descriptor.digest)
            if known is None or known.media_type not in ACCEPTED:
                self.known[descriptor.digest] = descriptor
            if document is not None:
                self.read.add(descriptor.digest)
            if document is not None and document.subject is not None:
                self.referrers.setdefault(document.subject.digest, {})[descriptor.digest] = descriptor

    def forget(self, digest: Digest) -> None:
        self.known.pop(digest, None)
        self.read.discard(digest)
        for found in self.referrers.values():
            found.pop(digest, None)


def walk(storage: Storage, top: Descriptor) -> Iterator[tuple[Descriptor, Document | None]]:
    """`top` and all below it, each once, with the documents of manifests. Nothing is below what is missing or damaged."""
    seen, left = {top.digest}, [(top, _DEPTH_LIMIT)]
    while left:
        descriptor, depth = left.pop()
        document = _read(storage, descriptor) if depth and descriptor.media_type in ACCEPTED else None
        yield descriptor, document
        for child in document.children if document else ():
            if child.digest not in seen:
                seen.add(child.digest)
                left.append((child, depth - 1))


def _read(storage: Storage, descriptor: Descriptor) -> Document | None:
    try:
        raw = storage.read_manifest(descriptor)
        return parse_document(raw, descriptor.media_type, subject=f"manifest {descriptor.digest}")
    except (NotFoundError, IntegrityError):
        return None
