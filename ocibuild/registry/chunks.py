"""The chunks of one blob, over one upload session."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild.registry.client import Client, Session
from ocibuild.registry.exchange import UnreachableError, body_of

# A chunk whose connection breaks is carried on this often; then the blob is begun again, in a new session.
_MOST_RESUMPTIONS = 3


class Chunks:
    """Sends chunks in order. `session` is where the next request goes; `own_connections` gives each chunk one of its own,
    for lines that do not last."""

    def __init__(self, client: Client, session: Session, *, own_connections: bool) -> None:
        self.session = session
        self._client = client
        self._own_connections = own_connections
        self._start = 0

    def send(self, chunk: bytes) -> None:
        """Send the next chunk. Where only a part of it arrived, and the registry says how much, the rest follows."""
        failures = 0
        while True:
            try:
                self.session = self._client.patch_upload(
                    self.session, body_of(chunk), start=self._start, own_connection=self._own_connections
                )
            except UnreachableError as problem:
                failures += 1
                if failures > _MOST_RESUMPTIONS:
                    raise
                received = self._received(len(chunk), problem)
                chunk, self._start = chunk[received - self._start :], received
                if not chunk:
                    return
            else:
                self._start += len(chunk)
                return

    def _received(self, sent: int, problem: UnreachableError) -> int:
        """How much of the blob the registry has, if that can be true; else `problem` again. (docker-registry 2.8 loses the
        session with the reply, and ECR's Range sticks at the first chunk: containers-roadmap#2831.)"""
        status = self._client.upload_status(self.session)
        if status is None or not self._start <= status[1] <= self._start + sent:
            raise problem
        self.session = status[0]
        return status[1]


def regrouped(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly `size`, but for the last."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)
