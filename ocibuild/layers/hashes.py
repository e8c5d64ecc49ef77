"""The two hashes of a layer, of its tar stream and of its blob: what they were behind one of its segments is where they go on from."""

from __future__ import annotations

from ocibuild.oci.compression import Buffer
from ocibuild.oci.digest import Digest
from ocibuild.oci.resumable import STATE_SIZE, Sha256

HASHES_SIZE = 2 * STATE_SIZE


class LayerHashes:
    """Of the stream and of the blob, from nothing or from a `state` on. Where nothing is packed, they are one."""

    def __init__(self, state: bytes = b"", *, compresses: bool = True) -> None:
        self._stream = Sha256(state[:STATE_SIZE])
        self._blob = Sha256(state[STATE_SIZE:]) if compresses else None

    def update(self, plain: bytearray, packed: Buffer) -> None:
        """Feed a segment."""
        self._stream.update(plain)
        if self._blob is not None:
            self._blob.update(packed)

    def state(self) -> bytes:
        """What others go on from, HASHES_SIZE bytes if both hashes are kept; empty where this Python's OpenSSL gives no states."""
        return self._stream.state() + (self._blob.state() if self._blob is not None else b"")

    def digests(self) -> tuple[Digest, Digest]:
        """The diff_id and the digest of the blob. That ends the hashes."""
        diff_id = Digest("sha256", self._stream.hexdigest())
        return diff_id, diff_id if self._blob is None else Digest("sha256", self._blob.hexdigest())
