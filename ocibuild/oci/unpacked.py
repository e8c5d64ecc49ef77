"""The plain bytes of a layer: no more of them than is believed, and what they hash to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ocibuild.errors import IntegrityError
from ocibuild.oci.digest import Digest


class UnpackedLayer:
    """Counts and hashes the unpacked bytes that pass through it; to be iterated once.

    IntegrityError, and `is_bomb`, for more than `most` of them. It hashes with the algorithm of each digest in `promised` that
    can be verified.
    """

    def __init__(self, chunks: Iterable[bytes], most: int, promised: Iterable[Digest], *, subject: str) -> None:
        self._chunks, self._most, self._subject = chunks, most, subject
        self._hashers = {digest.algorithm: digest.hasher() for digest in promised if digest.is_verifiable}
        self._is_whole = False
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            if self.is_bomb:
                raise IntegrityError(
                    f"{self._subject} unpacks to more than {self._most:,} bytes, and is not read any further"
                )
            for hasher in self._hashers.values():
                hasher.update(chunk)
            yield chunk
        self._is_whole = True

    @property
    def is_bomb(self) -> bool:
        """Whether there are more bytes than is believed."""
        return self.size > self._most

    def diff_ids(self) -> frozenset[Digest]:
        """The digests of all bytes; none where these have not come to their end."""
        found = self._hashers.items() if self._is_whole else ()
        return frozenset(Digest(name, hasher.hexdigest()) for name, hasher in found)
