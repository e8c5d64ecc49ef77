"""Upload endpoints: POST (plain, one-shot, mount), PATCH, PUT, and the status and end of a session."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from .contents import Contents, Session, digest_of, is_digest
from .messages import Reply, Request, empty, entry, error
from .routes import Route
from .settings import Settings

_CONTENT_RANGE = re.compile(r"(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Uploads:
    """Answers requests on `/v2/<name>/blobs/uploads/...`; the caller holds the contents' lock."""

    contents: Contents
    settings: Settings
    origin: str

    def start(self, route: Route, request: Request) -> Reply:
        """POST: mount, one-shot, or a new session."""
        mounted = request.value("mount")
        if mounted and self._mount(route.repository, mounted, request.value("from")):
            return self._stored(route.repository, mounted)
        digest = request.value("digest")
        if digest is not None and self.settings.one_shot and not mounted:
            if (
                self.settings.octet_stream_required
                and request.headers.get("Content-Type") != "application/octet-stream"
            ):
                return error(415, "UNSUPPORTED")
            return self._store(route.repository, digest, request.body)
        session = self.contents.open_session(route.repository)
        reply = self._progress(202, session)
        if self.settings.min_chunk:
            reply = reply.with_header("OCI-Chunk-Min-Length", str(self.settings.min_chunk))
        return reply

    def status(self, route: Route, request: Request) -> Reply:
        session = self._session(route, request)
        return session if isinstance(session, Reply) else self._progress(204, session)

    def cancel(self, route: Route, request: Request) -> Reply:
        session = self._session(route, request)
        if isinstance(session, Reply):
            return session
        del self.contents.sessions[session.id]
        return empty(204)

    def append(self, route: Route, request: Request) -> Reply:
        """PATCH: the next chunk, or the whole blob as a stream when Content-Range is absent."""
        session = self._session(route, request)
        if isinstance(session, Reply):
            return session
        refusal = self._chunk_refusal(session, request)
        if refusal:
            return refusal
        session.data += request.body
        session.last_chunk = len(request.body)
        return self._progress(202, session)

    def commit(self, route: Route, request: Request) -> Reply:
        """PUT: the last chunk or the whole blob, and the digest of all; a wrong digest ends the session."""
        session = self._session(route, request)
        if isinstance(session, Reply):
            return session
        digests = request.values("digest")
        if len(digests) != 1:
            return error(400, entry("DIGEST_INVALID", f"one digest expected, got {len(digests)}"))
        refusal = self._range_refusal(session, request) if request.body else None
        if refusal:
            return refusal
        session.data += request.body
        del self.contents.sessions[session.id]
        return self._store(route.repository, digests[0], bytes(session.data))

    def _mount(self, repository: str, digest: str, source: str | None) -> bool:
        if self.settings.mount == "off":
            return False
        if source is None and self.settings.mount == "any":
            source = self.contents.holder_of(digest)
        data = self.contents.existing(source or "").blobs.get(digest)
        if data is None:
            return False
        self.contents.repository(repository).blobs[digest] = data
        return True

    def _store(self, repository: str, digest: str, data: bytes) -> Reply:
        algorithm = digest.partition(":")[0]
        if not is_digest(digest) or algorithm not in self.settings.algorithms:
            return error(400, entry("DIGEST_INVALID", "provided digest is malformed or not supported"))
        if digest_of(data, algorithm) != digest:
            return error(400, entry("DIGEST_INVALID", "provided digest did not match uploaded content"))
        self.contents.repository(repository).blobs[digest] = data
        return self._stored(repository, digest)

    def _stored(self, repository: str, digest: str) -> Reply:
        path = f"/v2/{repository}/blobs/{digest}"
        shown = self.origin + path if self.settings.location == "absolute" else path
        reply = empty(201, {"Location": shown})
        return reply if self.settings.digest_header == "none" else reply.with_header("Docker-Content-Digest", digest)

    def _session(self, route: Route, request: Request) -> Session | Reply:
        """The session that the request's Location stands for; a dead or changed Location is 404."""
        session = self.contents.sessions.get(route.reference)
        if session is None or session.repository != route.repository:
            return error(404, "BLOB_UPLOAD_UNKNOWN")
        if not self._is_newest_location(session, request.query):
            return error(404, entry("BLOB_UPLOAD_INVALID", "the Location is not the newest one, or was changed"))
        return session

    def _is_newest_location(self, session: Session, query: str) -> bool:
        expected = self._opaque(session)
        kept = "&".join(part for part in query.split("&") if not part.startswith("digest="))
        if self.settings.exact_query:
            return kept == expected
        return not expected or session.state in unquote(kept)

    def _opaque(self, session: Session) -> str:
        return self.settings.opaque_query.replace("{state}", session.state)

    def _progress(self, status: int, session: Session) -> Reply:
        if self.settings.rotate_state and status == 202:
            session.renew()
        # "0-0" says both "nothing" and "one byte": that is what all registries send.
        received = f"0-{max(len(session.data) - 1, 0)}"
        return empty(status, {"Location": self._location(session), "Range": received, "Docker-Upload-UUID": session.id})

    def _location(self, session: Session) -> str:
        query = self._opaque(session)
        tail = f"{session.id}?{query}" if query else session.id
        if self.settings.location == "relative":
            return tail
        path = f"/v2/{session.repository}/blobs/uploads/{tail}"
        return self.origin + path if self.settings.location == "absolute" else path

    def _chunk_refusal(self, session: Session, request: Request) -> Reply | None:
        sized = request.headers.get("Content-Range") is not None
        if self.settings.content_range_required and not sized:
            return error(400, entry("BLOB_UPLOAD_INVALID", "Content-Range is required"))
        if sized and self.settings.max_chunk is not None and len(request.body) > self.settings.max_chunk:
            limit = f"{self.settings.max_chunk / 1024 / 1024:.2f}MiB"
            return error(416, entry("SIZE_INVALID", f"chunk exceeds the maximum of {limit}"))
        if self.settings.min_chunk and (session.last_chunk or self.settings.min_chunk) < self.settings.min_chunk:
            return self._out_of_order(session)
        return self._range_refusal(session, request)

    def _range_refusal(self, session: Session, request: Request) -> Reply | None:
        shown = request.headers.get("Content-Range")
        if shown is None or not self.settings.check_content_range:
            return None
        match = _CONTENT_RANGE.fullmatch(shown)
        if match is None:
            return error(400, entry("BLOB_UPLOAD_INVALID", "Content-Range must be <start>-<end>"))
        first, last = int(match[1]), int(match[2])
        if first != len(session.data) or last - first + 1 != len(request.body):
            return self._out_of_order(session)
        return None

    def _out_of_order(self, session: Session) -> Reply:
        return self._progress(416, session)
