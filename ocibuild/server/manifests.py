"""Manifests and indexes, by tag and by digest (end-3, 7, 7b, 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ocibuild.errors import IntegrityError, NotFoundError
from ocibuild.oci.codec import MANIFEST_LIMIT
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest, sha256
from ocibuild.oci.documents import Document, parse_document
from ocibuild.oci.media_type import ACCEPTED, is_foreign
from ocibuild.server.arguments import reference_from, tag_from
from ocibuild.server.contents import Contents, walk
from ocibuild.server.messages import Answer, Request, digest_header
from ocibuild.server.names import is_own, own_name, repository_of
from ocibuild.server.refusal import Code, Reason, Refusal, refuse
from ocibuild.server.storage import Named, Storage


class Manifests:
    """Gives, takes and removes manifests."""

    def __init__(self, storage: Storage, contents: Contents) -> None:
        self._storage = storage
        self._contents = contents

    def get(self, request: Request, repository: str, argument: str) -> Answer:
        """The manifest, of the type that it was pushed with; what the client accepts is its own affair."""
        del request
        descriptor = self._found(repository, reference_from(argument))
        try:
            raw = self._storage.read_manifest(descriptor)
        except NotFoundError as error:
            raise _unknown(f"{argument} is named here, but the layout was made without it") from error
        return Answer(200, {"Content-Type": descriptor.media_type, **digest_header(descriptor.digest)}, raw)

    def put(self, request: Request, repository: str, argument: str) -> Answer:
        """Take a manifest in under a tag, or under its digest and any number of tags."""
        raw = request.body.read_at_most(MANIFEST_LIMIT)
        if raw is None:
            raise refuse(413, Code.MANIFEST_INVALID, f"a manifest has at most {MANIFEST_LIMIT} bytes")
        digest, tags = _addressed(raw, reference_from(argument), request.query.get("tag", ()))
        document = _parsed(raw, request.content_type, digest)
        problems = list(self._problems(document))
        if problems:
            raise Refusal(400, *problems)
        descriptor = Descriptor(document.media_type, digest, len(raw))
        self._store(digest, raw)
        self._list(repository, descriptor, tags)
        self._contents.add(repository, descriptor)
        headers = {"Location": f"/v2/{repository}/manifests/{digest}", **digest_header(digest)}
        if document.subject is not None:
            headers["OCI-Subject"] = str(document.subject.digest)
        if isinstance(reference_from(argument), Digest) and tags:
            headers["OCI-Tag"] = ", ".join(tags)
        return Answer(201, headers)

    def delete(self, request: Request, repository: str, argument: str) -> Answer:
        """Remove a tag, or a manifest and all its tags. No blob is removed: others may need it."""
        del request
        reference = reference_from(argument)
        descriptor = self._found(repository, reference)
        if isinstance(reference, str):
            self._contents.add(repository, descriptor)  # without the tag it is still there
            self._drop(lambda name: repository_of(name) == repository and name.tag == reference)
        else:
            self._drop(lambda name: repository_of(name) == repository and name.descriptor.digest == reference)
            self._contents.forget(repository, reference)
        return Answer(202)

    def _found(self, repository: str, reference: Digest | str) -> Descriptor:
        if isinstance(reference, Digest):
            found = self._contents.find(repository, reference)
            descriptor = found if found is not None and found.media_type in ACCEPTED else None
        else:
            descriptor = self._contents.names.tags.get(repository, {}).get(reference)
        if descriptor is not None:
            return descriptor
        if not self._contents.is_known(repository):
            raise refuse(404, Code.NAME_UNKNOWN, "there is no such repository", {"name": repository})
        raise _unknown(f"the repository holds no manifest {reference}")

    def _problems(self, document: Document) -> Iterator[Reason]:
        """What keeps a document from being taken in. Its subject may come later; foreign layers never come."""
        for child in document.children:
            size = self._storage.size_of(child.digest)
            if size is None and not is_foreign(child.media_type):
                message = "the manifest names a blob or manifest that was not sent before it"
                yield Reason(Code.MANIFEST_BLOB_UNKNOWN, message, {"digest": str(child.digest)})
            elif size not in (None, child.size):
                message = f"the manifest says that {child.digest} has {child.size} bytes, and it has {size}"
                yield Reason(Code.MANIFEST_INVALID, message, {"digest": str(child.digest)})

    def _store(self, digest: Digest, raw: bytes) -> None:
        upload = self._storage.new_upload()
        try:
            upload.write(raw)
            upload.commit(digest)
        finally:
            upload.discard()

    def _list(self, repository: str, descriptor: Descriptor, tags: Sequence[str]) -> None:
        """Name a manifest: by its tags, or without one where nothing else leads to it, so that it can be found again.

        What an index leads to, and what has got a tag, need not be listed on its own any longer.
        """
        below = {found.digest for found, _ in walk(self._storage, descriptor)}

        def is_replaced(name: Named) -> bool:
            if not is_own(name, repository):
                return False
            return name.tag in tags if name.tag else name.descriptor.digest in below

        staying = (
            name for name in self._storage.names() if repository_of(name) == repository and not is_replaced(name)
        )
        is_named = any(name.descriptor.digest == descriptor.digest for name in staying)
        references = [own_name(repository, tag) for tag in tags] or ([] if is_named else [own_name(repository)])
        # What a tag pointed to before may be pulled right now: it is looked at while it still has its name.
        self._contents.find(repository, descriptor.digest)
        self._storage.change_names(put=[(reference, descriptor) for reference in references], drop=is_replaced)

    def _drop(self, is_dropped: Callable[[Named], bool]) -> None:
        self._storage.change_names(put=(), drop=is_dropped)


def _addressed(raw: bytes, reference: Digest | str, more_tags: Sequence[str]) -> tuple[Digest, Sequence[str]]:
    """The digest of a manifest, and the tags that it is to have."""
    if isinstance(reference, str):
        return sha256(raw), (reference,)
    hasher = reference.hasher()
    hasher.update(raw)
    if hasher.hexdigest() != reference.encoded:
        raise refuse(400, Code.DIGEST_INVALID, "the manifest has another digest", {"digest": str(reference)})
    return reference, tuple(dict.fromkeys(map(tag_from, more_tags)))


def _parsed(raw: bytes, media_type: str | None, digest: Digest) -> Document:
    try:
        return parse_document(raw, media_type, subject="the manifest")
    except IntegrityError as error:
        raise refuse(400, Code.MANIFEST_INVALID, error.what, {"digest": str(digest)}) from error


def _unknown(message: str) -> Refusal:
    return refuse(404, Code.MANIFEST_UNKNOWN, message)
