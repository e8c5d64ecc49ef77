"""What travels with an image: manifests that refer to it, and tags that are made of its digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ocibuild.errors import IntegrityError, NotFoundError
from ocibuild.events import Emit, Noted
from ocibuild.graph import Node, read_document, read_graph
from ocibuild.oci.blobs import ImageReader, ImageSink
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import Index
from ocibuild.oci.media_type import ACCEPTED, OCI_INDEX
from ocibuild.oci.referrers import referrers_tag
from ocibuild.store.naming import full_reference
from ocibuild.transfer import Manner, put_names, transfer

_DEPTH_LIMIT = 8  # a signature of an attestation of an image is 2 deep
_COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Along:
    """What else to copy: `referrers` of each manifest and theirs; `digest_tags`, the tags that begin with its digest (`sha256-...`):
    cosign's, and the lists of referrers that clients keep."""

    referrers: bool = False
    digest_tags: bool = False


ALONE = Along()


@dataclass(frozen=True, slots=True)
class Companion:
    """Something that travels too, with the tags that it is to have."""

    root: Node
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Company:
    """Finds what belongs to an image in a place whose tags are these."""

    reader: ImageReader
    tags: Sequence[str]
    along: Along
    emit: Emit
    _seen: set[Digest] = field(default_factory=set)

    def of(self, root: Node) -> Iterator[Companion]:
        """All that belongs to `root` and to what was found, nearest first, each once.

        What is listed but is not there, or does not refer to what it is listed under, is left behind with a warning.
        """
        self._remember(root)
        wave, known = _digests(root), _digests(root)
        for _ in range(_DEPTH_LIMIT):
            found = [each for subject in wave for each in self._next_to(subject)]
            yield from found
            wave = {digest: None for each in found for digest in _digests(each.root) if digest not in known}
            known |= wave
            if not wave:
                return
        self._warn(f"what refers to {root.descriptor.digest} is more than {_DEPTH_LIMIT} deep: the rest is left behind")

    def in_list(self, tag: str) -> Iterator[Companion]:
        """What the list under a referrers tag names; the thing itself, under its tag, if it is no such list."""
        descriptor = self.reader.resolve(tag)
        document = read_document(self.reader, descriptor)
        if isinstance(document, Index) and descriptor.media_type == OCI_INDEX:
            yield from self._referring(document.manifests, tag)
        else:
            yield Companion(read_graph(self.reader, descriptor), (tag,))

    def _next_to(self, subject: Digest) -> Iterator[Companion]:
        own = referrers_tag(subject)
        if self.along.referrers:
            yield from self._referring(self.reader.referrers(subject), own)
        for tag in self.tags if self.along.digest_tags else ():
            if tag == own:
                yield from self.in_list(tag)
            elif tag.startswith(f"{own}."):
                root = read_graph(self.reader, self.reader.resolve(tag))
                self._remember(root)
                yield Companion(root, (tag,))

    def _referring(self, listed: Iterable[Descriptor], tag: str) -> Iterator[Companion]:
        for descriptor in listed:
            if descriptor.digest in self._seen:
                continue
            try:
                root = self._referrer(descriptor, tag)
            except (NotFoundError, IntegrityError) as error:
                self._warn(f"{descriptor.digest}, listed under {tag}, is left behind: {error.what}")
            else:
                self._remember(root)
                yield Companion(root)

    def _referrer(self, descriptor: Descriptor, tag: str) -> Node:
        if descriptor.media_type not in ACCEPTED:
            raise IntegrityError(f"it is a {descriptor.media_type}")
        root = read_graph(self.reader, descriptor)
        subject = root.document.subject
        if subject is None or referrers_tag(subject.digest) != tag:
            raise IntegrityError("it does not refer to that")
        return root

    def _remember(self, root: Node) -> None:
        self._seen.update(_digests(root))
        if len(self._seen) > _COUNT_LIMIT:
            raise IntegrityError(f"more than {_COUNT_LIMIT} manifests belong to one image")

    def _warn(self, message: str) -> None:
        self.emit(Noted(message, warning=True))


def _digests(root: Node) -> dict[Digest, None]:
    """The digests of all documents of an image, in order."""
    return {node.descriptor.digest: None for node in root.walk()}


def carry(root: Node, names: Sequence[str], company: Company, sink: ImageSink, manner: Manner) -> None:
    """Copy an image with its company. Its own names come last: whoever finds it by one finds its signatures too."""
    transfer(root, company.reader, sink, (), manner)
    for companion in company.of(root):
        transfer(companion.root, company.reader, sink, [_beside(names, tag) for tag in companion.tags], manner)
    put_names(root, sink, names, manner)


def _beside(names: Sequence[str], tag: str) -> str:
    """What a companion with this tag is called where the image has these names."""
    reference = full_reference(names[0]) if names else None
    return str(reference.with_tag(tag)) if reference else tag
