"""Blobs that are there (end-2, end-10)."""

from __future__ import annotations

from ocibuild.errors import NotFoundError
from ocibuild.oci.digest import Digest
from ocibuild.oci.media_type import ACCEPTED
from ocibuild.server.arguments import digest_from
from ocibuild.server.contents import Contents
from ocibuild.server.messages import Answer, FilePart, Request, digest_header
from ocibuild.server.ranges import UnsatisfiableError, requested_range
from ocibuild.server.refusal import Code, Refusal, refuse
from ocibuild.server.storage import Storage

OCTETS = "application/octet-stream"


class Blobs:
    """Gives and removes blobs."""

    def __init__(self, storage: Storage, contents: Contents) -> None:
        self._storage = storage
        self._contents = contents

    def get(self, request: Request, repository: str, argument: str) -> Answer:
        """The blob, or one range of it."""
        digest = digest_from(argument)
        if self._contents.find(repository, digest) is None:
            raise _unknown(digest)
        try:
            file = self._storage.open_file(digest)
        except NotFoundError as error:
            raise _left_out(digest) from error
        size = file.seek(0, 2)
        headers = {"Content-Type": OCTETS, "Accept-Ranges": "bytes", **digest_header(digest)}
        try:
            positions = requested_range(request.headers.get("range"), size) if request.method == "GET" else None
        except UnsatisfiableError as error:
            file.close()
            outside = {"Content-Range": f"bytes */{size}"}
            raise refuse(416, Code.SIZE_INVALID, f"the blob has {size} bytes", headers=outside) from error
        if positions is None:
            return Answer(200, headers, FilePart(file, 0, size))
        headers["Content-Range"] = f"bytes {positions.start}-{positions.stop - 1}/{size}"
        return Answer(206, headers, FilePart(file, positions.start, len(positions)))

    def delete(self, request: Request, repository: str, argument: str) -> Answer:
        """The repository does not hold the blob any longer; if no other does, its file is removed."""
        del request
        digest = digest_from(argument)
        found = self._contents.find(repository, digest)
        if found is None or found.media_type in ACCEPTED or self._storage.size_of(digest) is None:
            raise _unknown(digest)  # manifests are deleted as such, together with their names
        self._contents.forget(repository, digest)
        if not self._contents.is_elsewhere(repository, digest):
            self._storage.remove_blob(digest)
        return Answer(202)


def _unknown(digest: Digest) -> Refusal:
    return refuse(404, Code.BLOB_UNKNOWN, "the repository holds no such blob", {"digest": str(digest)})


def _left_out(digest: Digest) -> Refusal:
    message = (
        "an image here names this blob, but the layout was made without it (base layers may be left in their registry): "
        "copy the whole image here, and it is there"
    )
    return refuse(404, Code.BLOB_UNKNOWN, message, {"digest": str(digest)})
