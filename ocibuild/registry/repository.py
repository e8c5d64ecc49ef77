"""A repository of a registry as a place to read images from and write them to (the ports of `oci.blobs`)."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing

from ocibuild.errors import AuthError, IntegrityError, NotFoundError, OcibuildError, RegistryError
from ocibuild.oci.blobs import BlobSource, Outcome
from ocibuild.oci.codec import MANIFEST_LIMIT, decode_object
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest, parse_digest, sha256, verified, verify_bytes
from ocibuild.oci.documents import parse_document
from ocibuild.oci.media_type import ACCEPTED
from ocibuild.oci.reference import Reference, parse_tag
from ocibuild.oci.referrers import Referral, referral_in
from ocibuild.registry.auth import Access
from ocibuild.registry.client import Client, ManifestHead
from ocibuild.registry.download import Download
from ocibuild.registry.host import Host
from ocibuild.registry.referrers import Referrers
from ocibuild.registry.refusal import RefusedError
from ocibuild.registry.upload import Upload

_GENERIC_TYPES = frozenset({None, "application/octet-stream", "application/json", "text/plain"})
# GHCR may not show a tag that was just put for some seconds (pithead#429).
_READ_BACKS = 5
_READ_BACK_WAIT = 0.5


class Repository:
    """One repository. Safe to use from many threads; a blob is sent once, however many ask for it."""

    def __init__(self, host: Host, reference: Reference) -> None:
        self.reference = Reference(reference.host, reference.repository)
        self._host = host
        self._client = Client(host, self.reference)
        self._referrers = Referrers(host, self._client, self.reference)
        self._blobs: dict[Digest, Future[Outcome]] = {}
        self._lock = threading.Lock()

    # Reading

    def resolve(self, name: str | None) -> Descriptor:
        """The descriptor of what a tag, a digest or (None) the tag `latest` names.

        NotFoundError says which tags come near; IntegrityError where the registry answers with another digest.
        """
        wanted = parse_digest(name) if name and ":" in name else None
        key = str(wanted) if wanted else parse_tag(name or "latest")
        subject = f"to show {self._named(key)}"
        head = self._host.run(lambda: self._client.head_manifest(key, self._client.pull), subject)
        if head is None:
            raise self._not_found(key)
        digest = wanted or head.digest
        if digest is None or head.size is None or head.media_type in _GENERIC_TYPES:
            return self._resolve_by_reading(key, wanted, subject)
        self._check_claim(head, digest)
        return Descriptor(str(head.media_type), digest, head.size)

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """The bytes of a manifest or index. IntegrityError where they are not what the descriptor promises, are called
        something else by the registry or by themselves, or are two kinds of document at once."""
        subject = self._named(str(descriptor.digest))
        if descriptor.size > MANIFEST_LIMIT:
            raise IntegrityError(f"{subject} has {descriptor.size} bytes; manifests have at most {MANIFEST_LIMIT}")
        raw, head = self._read(str(descriptor.digest), self._client.pull, f"to give {subject}")
        verify_bytes(raw, descriptor.digest, descriptor.size, subject=subject)
        if head.media_type not in _GENERIC_TYPES and head.media_type != descriptor.media_type:
            raise IntegrityError(f"{subject} came as {head.media_type} where {descriptor.media_type} was promised")
        if descriptor.media_type in ACCEPTED:
            parse_document(raw, descriptor.media_type, subject=subject)
        return raw

    def open_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, verified as they stream, and carried on where the connection breaks.

        IntegrityError (at the latest after the last chunk) if they are not what the descriptor promises.
        """
        subject = self._named(str(descriptor.digest))
        with closing(Download(self._host, self._client, descriptor).chunks()) as chunks:
            yield from verified(chunks, descriptor.digest, descriptor.size, subject=subject)

    def blob_origins(self, descriptor: Descriptor) -> Sequence[Reference]:  # noqa: ARG002 - the port's
        """This repository."""
        return (self.reference,)

    def tags(self) -> tuple[str, ...]:
        """All tags, sorted. NotFoundError where there is no such repository."""
        pages = self._host.run(lambda: list(self._client.tag_pages()), f"to list the tags of {self.reference.name}")
        return tuple(sorted({tag for page in pages for tag in page}))

    def tagged(self, tag: str) -> Digest | None:
        """What a tag points to; None if it is not there."""
        return self._points_to(tag, self._client.pull)

    def holds(self, descriptor: Descriptor) -> bool:
        """Whether the repository has this blob or manifest; nothing is fetched."""
        digest = descriptor.digest
        subject = f"to show {self._named(str(digest))}"
        if descriptor.media_type in ACCEPTED:
            return (
                self._host.run(lambda: self._client.head_manifest(str(digest), self._client.pull), subject) is not None
            )
        return self._host.run(lambda: self._client.has_blob(digest, self._client.pull), subject)

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """What refers to a manifest, each once: by the registry's API, or by the tag that stands in for it."""
        return self._referrers.of(subject, artifact_type)

    # Writing

    def put_blob(self, source: BlobSource) -> Outcome:
        """Make the repository hold a blob: nothing is sent if it does already, or can take it from another repository."""
        digest = source.descriptor.digest
        with self._lock:
            future = None if source.is_lost else self._blobs.get(digest)
            is_ours = future is None
            if future is None:
                future = self._blobs[digest] = Future()
        if not is_ours:
            future.result()
            return Outcome.EXISTS
        try:
            outcome = Upload(self._host, self._client, source).run()
        except BaseException as error:
            with self._lock:
                del self._blobs[digest]
            future.set_exception(error)
            raise
        future.set_result(outcome)
        return outcome

    def put_manifest(self, descriptor: Descriptor, raw: bytes) -> Outcome:
        """Hold a manifest or index under its digest; what it names must be there, but not its subject, whose referrers list
        it from then on."""
        name = str(descriptor.digest)
        subject = f"to take {self._named(name)}"
        referral = referral_in(descriptor, raw)
        present = self._host.run(lambda: self._client.head_manifest(name, self._client.push), subject)
        was_there = present is not None
        if not was_there:
            present = self._host.run(lambda: self._client.put_manifest(name, descriptor.media_type, raw), subject)
        if referral is not None:
            acknowledged = present.subject if present else None
            self._referrers.enter(referral, acknowledged=acknowledged, was_there=was_there)
        return Outcome.EXISTS if was_there else Outcome.SENT

    def tag(self, descriptor: Descriptor, raw: bytes, name: str) -> Outcome:
        """Let a tag point to a manifest that the repository holds; nothing is sent if it does already.

        The tag is read back: IntegrityError if it names something else then. RegistryError if it must not be moved.
        """
        tag = parse_tag(name)
        if self._points_to(tag, self._client.push) == descriptor.digest:
            return Outcome.EXISTS
        subject = f"to set {self._named(tag)}"
        try:
            self._host.run(lambda: self._client.put_manifest(tag, descriptor.media_type, raw), subject)
        except (RegistryError, AuthError) as error:
            self._accept_if_immutable(tag, descriptor.digest, error)
            return Outcome.EXISTS
        self._read_back(tag, descriptor.digest)
        return Outcome.SENT

    def delete(self, name: str) -> None:
        """Remove a tag and nothing else, or (by digest) a manifest with all the tags that point to it.

        A referrer that goes is struck off its subject's list, where clients keep that. NotFoundError if there is no such
        thing; RegistryError where the registry does not delete, or no single tags.
        """
        digest = parse_digest(name) if ":" in name else None
        key = str(digest) if digest else parse_tag(name)
        referral = self._referral(digest) if digest else None
        self._host.run(lambda: self._client.delete_manifest(key), f"to delete {self._named(key)}")
        if referral is not None:
            self._referrers.strike(referral)

    # Parts of the above

    def _referral(self, digest: Digest) -> Referral | None:
        """What a manifest refers to; None also for one that is damaged or cannot be read: it may be removed all the same."""
        name = self._named(str(digest))
        try:
            raw, head = self._read(str(digest), self._client.pull, f"to give {name}")
            verify_bytes(raw, digest, len(raw), subject=name)
            return referral_in(Descriptor(head.media_type or "", digest, len(raw)), raw)
        except (IntegrityError, NotFoundError):
            return None

    def _named(self, name: str) -> str:
        return f"{self.reference.name}{'@' if ':' in name else ':'}{name}"

    def _read(self, key: str, access: Access, subject: str) -> tuple[bytes, ManifestHead]:
        return self._host.run(lambda: self._client.get_manifest(key, access, MANIFEST_LIMIT), subject)

    def _resolve_by_reading(self, key: str, wanted: Digest | None, subject: str) -> Descriptor:
        """For registries whose HEAD does not tell enough (older ECR gives no digest)."""
        raw, head = self._read(key, self._client.pull, subject)
        digest = wanted or sha256(raw)
        verify_bytes(raw, digest, len(raw), subject=self._named(key))
        media_type = head.media_type
        if media_type in _GENERIC_TYPES:
            said = decode_object(raw, subject=self._named(key)).get("mediaType")
            media_type = (
                said if isinstance(said, str) else parse_document(raw, None, subject=self._named(key)).media_type
            )
        return Descriptor(str(media_type), digest, len(raw))

    def _check_claim(self, head: ManifestHead, digest: Digest) -> None:
        if head.digest is not None and head.digest.algorithm == digest.algorithm and head.digest != digest:
            raise IntegrityError(f"{self.reference.host} answers with {head.digest}", where=self._named(str(digest)))

    def _not_found(self, key: str) -> NotFoundError:
        hint = "check the name, and whether you may see it"
        try:
            tags = next(self._client.tag_pages(), [])
        except (RefusedError, OcibuildError):
            tags = []
        if tags and ":" not in key:
            near = difflib.get_close_matches(key, tags, n=3) or sorted(tags)[-3:]
            count = "is one tag" if len(tags) == 1 else f"are {len(tags)} tags, such as"
            hint = f"there {count} {', '.join(near)}"
        return NotFoundError(f"there is no {self._named(key)}", hint=hint, status=404)

    def _points_to(self, tag: str, access: Access) -> Digest | None:
        subject = f"to show {self._named(tag)}"
        head = self._host.run(lambda: self._client.head_manifest(tag, access), subject)
        if head is None or head.digest is not None:
            return head.digest if head else None
        return sha256(self._read(tag, access, subject)[0])

    def _accept_if_immutable(self, tag: str, digest: Digest, error: OcibuildError) -> None:
        """A refused tag is as good as a set one if it points where it should (ECR, Harbor: immutable tags)."""
        present = self._points_to(tag, self._client.push)
        if present == digest:
            return
        words = error.what.lower()
        if present is not None and ("immutable" in words or "already exists" in words or "overwrit" in words):
            raise RegistryError(
                f"{self._named(tag)} must not be moved: it is immutable and points to {present}",
                where=error.where,
                hint="use a new tag",
            ) from error
        raise error

    def _read_back(self, tag: str, digest: Digest) -> None:
        present = self._points_to(tag, self._client.push)
        for number in range(_READ_BACKS):
            if present == digest:
                return
            self._host.retrier.sleep(_READ_BACK_WAIT * 2**number)
            present = self._points_to(tag, self._client.push)
        if present == digest:
            return
        if present is None:
            raise RegistryError(f"{self._named(tag)} was put, but the registry does not show it")
        raise IntegrityError(
            f"{self._named(tag)} was put, but points to {present} instead of {digest}",
            hint="somebody else may have pushed the same tag at the same time",
        )
