"""Blobs on their way in: begun, mounted, sent whole or in chunks, closed (end-4a, 4b, 5, 6, 11, 13)."""

from __future__ import annotations

from ocibuild.errors import UsageError
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest, parse_digest
from ocibuild.server.arguments import digest_from
from ocibuild.server.blobs import OCTETS
from ocibuild.server.contents import Contents
from ocibuild.server.messages import Answer, Request, digest_header
from ocibuild.server.ranges import chunk_range, received_range
from ocibuild.server.refusal import Code, refuse
from ocibuild.server.sessions import Session, Sessions
from ocibuild.server.storage import Storage

_ALGORITHMS = ("sha256", "sha512")


class Uploads:
    """Takes blobs in."""

    def __init__(self, storage: Storage, contents: Contents) -> None:
        self._storage = storage
        self._contents = contents
        self._sessions = Sessions(storage)

    def start(self, request: Request, repository: str, argument: str) -> Answer:
        """Mount a blob, take a whole one in one request, or begin an upload."""
        del argument
        mounted = self._mount(request, repository)
        if mounted is not None:
            return _created(repository, mounted)
        if request.parameter("digest") is not None:
            digest = digest_from(request.parameter("digest"))
            session = self._sessions.begin(repository, digest.algorithm)
            with self._sessions.using(repository, session.id):
                return self._finish(request, session, digest)
        algorithm = request.parameter("digest-algorithm") or _ALGORITHMS[0]
        if algorithm not in _ALGORITHMS:
            raise refuse(400, Code.DIGEST_INVALID, f"digests are verified by {' or '.join(_ALGORITHMS)} only")
        return _progress(202, self._sessions.begin(repository, algorithm))

    def append(self, request: Request, repository: str, argument: str) -> Answer:
        """Take in a chunk, or (without Content-Range) whatever comes."""
        with self._sessions.using(repository, argument) as session:
            _check_order(request, session)
            session.append(request.body)
            return _progress(202, session)

    def close(self, request: Request, repository: str, argument: str) -> Answer:
        """Take in the rest, if any comes, and publish the blob."""
        with self._sessions.using(repository, argument) as session:
            digest = digest_from(request.parameter("digest"))
            _check_order(request, session)
            session.expect(digest.algorithm)
            return self._finish(request, session, digest)

    def status(self, request: Request, repository: str, argument: str) -> Answer:
        """How much of it has come."""
        del request
        with self._sessions.using(repository, argument) as session:
            return _progress(204, session)

    def cancel(self, request: Request, repository: str, argument: str) -> Answer:
        """Forget an upload."""
        del request
        with self._sessions.using(repository, argument) as session:
            self._sessions.end(session)
            return Answer(204)

    def end(self) -> None:
        """Forget all uploads; no request may be under way any more."""
        self._sessions.close()

    def _finish(self, request: Request, session: Session, digest: Digest) -> Answer:
        session.append(request.body)
        session.finish(digest)
        self._sessions.end(session)
        self._contents.add(session.repository, Descriptor(OCTETS, digest, session.size))
        return _created(session.repository, digest)

    def _mount(self, request: Request, repository: str) -> Digest | None:
        """What was mounted. Whatever does not fit makes it an ordinary upload, as the specification has it."""
        try:
            digest = parse_digest(request.parameter("mount") or "")
        except UsageError:
            return None
        source = request.parameter("from")
        size = self._storage.size_of(digest)
        if size is None or (source and self._contents.find(source, digest) is None):
            return None
        self._contents.add(repository, Descriptor(OCTETS, digest, size))
        return digest


def _check_order(request: Request, session: Session) -> None:
    header = request.headers.get("content-range")
    if header is None:
        return
    positions = chunk_range(header)
    if positions is None or positions.start != session.size:
        message = f"the next chunk begins at {session.size}, and Content-Range is FIRST-LAST"
        raise refuse(416, Code.BLOB_UPLOAD_INVALID, message, headers=_headers(session))
    if request.body.length not in (None, len(positions)):
        raise refuse(400, Code.SIZE_INVALID, "Content-Length and Content-Range contradict one another")


def _headers(session: Session) -> dict[str, str]:
    return {
        "Location": f"/v2/{session.repository}/blobs/uploads/{session.id}",
        "Range": received_range(session.size),
        "Docker-Upload-UUID": session.id,
    }


def _progress(status: int, session: Session) -> Answer:
    return Answer(status, _headers(session))


def _created(repository: str, digest: Digest) -> Answer:
    return Answer(201, {"Location": f"/v2/{repository}/blobs/{digest}", **digest_header(digest)})
