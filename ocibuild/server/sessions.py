"""Uploads under way: each a file that grows, with its digest computed on the way."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ocibuild.oci.digest import Digest
from ocibuild.server.framing import Body
from ocibuild.server.refusal import Code, Refusal, refuse
from ocibuild.server.storage import Storage, Upload

_IDLE_LIMIT = 60 * 60.0  # seconds without a request
_MOST = 256  # each has an open file; the one that was idle for longest makes room
_OUT_OF_ORDER = 416
_PATIENCE = 5.0  # a client that was cut off may ask again before its first connection is known to be dead


class Session:
    """One upload. Used by one request at a time."""

    def __init__(self, repository: str, upload: Upload, algorithm: str, now: float) -> None:
        self.id = str(uuid.uuid4())
        self.repository = repository
        self.size = 0
        self.used = now
        self.lock = threading.Lock()
        self._upload = upload
        self._hasher = hashlib.new(algorithm)

    def expect(self, algorithm: str) -> None:
        """Compute the digest by this algorithm, if nothing has come yet: then nothing need be read again."""
        if not self.size:
            self._hasher = hashlib.new(algorithm)

    def append(self, body: Body) -> None:
        """Take in a whole body."""
        for piece in body.pieces():
            self._hasher.update(piece)
            self._upload.write(piece)
            self.size += len(piece)

    def finish(self, digest: Digest) -> None:
        """Publish the blob. Refusal if it is another one."""
        if self._digest_as(digest) != digest.encoded:
            message = f"the {self.size} bytes that were sent have another digest"
            raise refuse(400, Code.DIGEST_INVALID, message, {"digest": str(digest)})
        self._upload.commit(digest)

    def discard(self) -> None:
        """Remove what was received, unless it was published."""
        self._upload.discard()

    def _digest_as(self, digest: Digest) -> str:
        if digest.algorithm == self._hasher.name:
            return self._hasher.hexdigest()
        hasher = digest.hasher()
        for piece in self._upload.pieces():
            hasher.update(piece)
        return hasher.hexdigest()


class Sessions:
    """All uploads under way. Those that nobody goes on with are given up after an hour, or when there are too many."""

    def __init__(self, storage: Storage, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, repository: str, algorithm: str) -> Session:
        """A new upload."""
        self._make_room()
        session = Session(repository, self._storage.new_upload(), algorithm, self._clock())
        with self._lock:
            self._sessions[session.id] = session
        return session

    @contextmanager
    def using(self, repository: str, identifier: str) -> Iterator[Session]:
        """An upload, for one request. Whatever goes wrong, but for a chunk that came out of order, ends it."""
        session = self._sessions.get(identifier)
        if session is None or session.repository != repository:
            raise _unknown()
        if not session.lock.acquire(timeout=_PATIENCE):
            raise refuse(409, Code.BLOB_UPLOAD_INVALID, "another request is writing to this upload")
        try:
            if identifier not in self._sessions:  # it ended while we waited
                raise _unknown()
            yield session
            session.used = self._clock()
        except Refusal as refusal:
            if refusal.status != _OUT_OF_ORDER:
                self.end(session)
            raise
        except BaseException:
            self.end(session)
            raise
        finally:
            session.lock.release()

    def end(self, session: Session) -> None:
        """Forget an upload, and what was received of it unless it was published. Its user calls this."""
        with self._lock:
            self._sessions.pop(session.id, None)
        session.discard()

    def close(self) -> None:
        """End all uploads; no request may be under way any more."""
        for session in list(self._sessions.values()):
            self.end(session)

    def _make_room(self) -> None:
        by_age = sorted(self._sessions.copy().values(), key=lambda session: session.used)
        long_ago = self._clock() - _IDLE_LIMIT
        expired = [session for session in by_age if session.used < long_ago]
        for session in expired or by_age[: max(0, len(by_age) - _MOST + 1)]:
            if session.lock.acquire(blocking=False):
                try:
                    self.end(session)
                finally:
                    session.lock.release()


def _unknown() -> Refusal:
    return refuse(404, Code.BLOB_UPLOAD_UNKNOWN, "there is no such upload: it has ended, or was never begun")
