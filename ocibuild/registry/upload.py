"""One blob to one repository: mounted if it can be, else sent in the first way that the registry takes.

Every attempt begins with a fresh POST: a session that failed is seldom worth saving (docker-registry loses it with any
lost reply, and its replies to a continued one cannot be trusted); only between chunks it is tried. What was stored is not sent again: an attempt after a
doubtful end begins with a HEAD.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ocibuild.errors import IntegrityError, NetworkError, OcibuildError, RegistryError
from ocibuild.events import Advanced
from ocibuild.oci.blobs import BlobSource, Outcome
from ocibuild.oci.reference import Reference
from ocibuild.registry.chunks import Chunks, regrouped
from ocibuild.registry.client import Client, Session
from ocibuild.registry.exchange import Body, Trouble, UnreachableError
from ocibuild.registry.host import Host
from ocibuild.registry.refusal import RefusedError
from ocibuild.registry.retry import is_lost_session
from ocibuild.registry.strategy import Strategy, Ways

_LARGEST_CHUNK = 64 * 1024 * 1024


class Upload:
    """The way of one blob, over all its attempts."""

    def __init__(self, host: Host, client: Client, source: BlobSource) -> None:
        self._host = host
        self._client = client
        self._source = source
        self._meter = _Meter(host, str(source.descriptor.digest))
        self._ways = Ways(host.upload_strategy)
        self._is_doubtful = not source.is_lost
        self._session = Session("")
        self._mount_from = None if source.is_lost else _mountable(source, host, client.push.reference)

    def run(self) -> Outcome:
        """Make the repository hold the blob."""
        digest = self._source.descriptor.digest
        outcome = self._host.run(self._attempt, f"to take the blob {digest}")
        self._host.holders.setdefault(digest, self._client.push.reference)
        return outcome

    def _attempt(self) -> Outcome:
        if self._is_doubtful:
            was_sent = self._meter.has_counted
            if self._client.has_blob(self._source.descriptor.digest, self._client.push):
                return Outcome.SENT if was_sent else Outcome.EXISTS
            self._is_doubtful = False
        while True:
            session = self._open_session()
            if session is None:
                return Outcome.MOUNTED
            try:
                self._transfer(session)
            except (RefusedError, UnreachableError) as problem:
                self._is_doubtful = True
                if not self._ways.learn(problem):
                    raise
            else:
                if self._ways.is_lesson:
                    self._host.upload_strategy = self._ways.current
                return Outcome.SENT

    def _open_session(self) -> Session | None:
        """A session, or None where the blob was mounted instead."""
        digest = self._source.descriptor.digest
        source, self._mount_from = self._mount_from, None
        if source is not None:
            # Whatever goes wrong with a mount (a foreign scope that is not granted, a source that is gone), the blob can
            # still be sent: under a token for the target alone (ggcr#1404, goharbor#17097, manifest-tool#53).
            with contextlib.suppress(RefusedError):
                return self._client.mount(digest, source)
        return self._client.start_upload(digest)

    def _transfer(self, session: Session) -> None:
        self._session = session
        try:
            self._send()
        except RefusedError as problem:
            if not is_lost_session(problem):
                self._cancel()
            raise
        except UnreachableError as problem:
            if problem.trouble is Trouble.BROKEN:
                self._cancel()
            raise
        except BaseException:  # the source failed, or the user wants to stop
            self._cancel()
            raise

    def _send(self) -> None:
        digest = self._source.descriptor.digest
        match self._ways.current:
            case Strategy.WHOLE:
                self._client.finish_upload(self._session, digest, self._whole())
            case Strategy.STREAM:
                self._session = self._client.patch_upload(self._session, self._whole())
                self._client.finish_upload(self._session, digest, None)
            case Strategy.CHUNKS:
                self._send_chunks()
                self._client.finish_upload(self._session, digest, None)

    def _send_chunks(self) -> None:
        size = max(self._session.min_chunk, self._host.settings.chunk_size)
        if size > _LARGEST_CHUNK:
            raise RegistryError(f"{self._host.name} wants chunks of {size} bytes; at most {_LARGEST_CHUNK} are sent")
        self._meter.rewind()
        chunks = Chunks(self._client, self._session, own_connections=self._ways.line_is_bad)
        for chunk in regrouped(self._exact(), size):
            chunks.send(chunk)
            self._session = chunks.session
            self._meter.count(len(chunk))

    def _whole(self) -> Body:
        return Body(self._source.descriptor.size, self._metered)

    def _metered(self) -> Iterator[bytes]:
        self._meter.rewind()
        for chunk in self._exact():
            yield chunk
            self._meter.count(len(chunk))

    def _exact(self) -> Iterator[bytes]:
        """The blob's bytes, as long as they are what the descriptor says and nobody wants to stop."""
        descriptor, seen = self._source.descriptor, 0
        for chunk in self._source.open():
            if self._host.settings.stop.is_set():
                raise NetworkError(f"stopped while {descriptor.digest} was being sent")
            seen += len(chunk)
            if seen > descriptor.size:
                break
            yield chunk
        if seen != descriptor.size:
            raise IntegrityError(
                f"the blob to be sent does not have the {descriptor.size} bytes of its descriptor",
                where=str(descriptor.digest),
            )

    def _cancel(self) -> None:
        """Tell the registry that nothing more comes (a SHOULD of the spec); whether it listens does not matter."""
        with contextlib.suppress(RefusedError, UnreachableError, OcibuildError):
            self._client.cancel_upload(self._session)


class _Meter:
    """Progress of one blob. Starting again takes back what was counted."""

    def __init__(self, host: Host, task: str) -> None:
        self._emit = host.settings.emit
        self._task = task
        self._counted = 0
        self.has_counted = False

    def count(self, amount: int) -> None:
        """`amount` more bytes are sent."""
        self._counted += amount
        self.has_counted = True
        self._emit(Advanced(self._task, amount))

    def rewind(self) -> None:
        """All is to be sent again."""
        if self._counted:
            self._emit(Advanced(self._task, -self._counted))
        self._counted = 0


def _mountable(source: BlobSource, host: Host, target: Reference) -> Reference | None:
    """The first repository of the same registry, other than the target, that holds the blob."""
    held = host.holders.get(source.descriptor.digest)
    known = (*source.origins, held) if held else source.origins
    here = (origin for origin in known if origin.host == host.name and origin.repository != target.repository)
    return next(here, None)
