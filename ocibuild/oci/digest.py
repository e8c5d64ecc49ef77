"""Content digests (image-spec descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocibuild.errors import IntegrityError, UsageError, quoted

if TYPE_CHECKING:
    from hashlib import _Hash

_GRAMMAR = re.compile(r"([a-z0-9]+(?:[.+_-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)", re.ASCII)
_REGISTERED = {"sha256": 64, "sha512": 128, "blake3": 64}
_VERIFIABLE = ("sha256", "sha512")
_PART_LIMIT = 255  # both parts become file names


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """`algorithm:encoded`. Only `parse_digest` and `sha256` make one, so that a digest is always safe in a path or URL."""

    algorithm: str
    encoded: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"

    @property
    def short(self) -> str:
        """The first 12 characters of the encoded part, as people know them from other tools."""
        return self.encoded[:12]

    @property
    def is_verifiable(self) -> bool:
        """Whether content can be compared with it here."""
        return self.algorithm in _VERIFIABLE

    def hasher(self) -> _Hash:
        """A fresh hash object of this algorithm. IntegrityError for one that cannot be verified here."""
        if not self.is_verifiable:
            raise IntegrityError(
                f"digest algorithm {quoted(self.algorithm)} cannot be verified",
                where=str(self),
                hint=f"only {' and '.join(_VERIFIABLE)} can be trusted",
            )
        return hashlib.new(self.algorithm)


def parse_digest(text: str) -> Digest:
    """The digest that `text` spells. UsageError unless the whole text is one; registered algorithms are held to their length.

    Everything that becomes a file name or part of a URL passes through here (CVE-2024-3727: a digest used as a path).
    """
    match = _GRAMMAR.fullmatch(text)
    if match is None or max(map(len, match.groups())) > _PART_LIMIT:
        raise UsageError(
            f"{quoted(text)} is not a digest", hint="a digest looks like sha256: followed by 64 hexadecimal digits"
        )
    algorithm, encoded = match.groups()
    length = _REGISTERED.get(algorithm)
    if length is not None and not re.fullmatch(rf"[a-f0-9]{{{length}}}", encoded):
        raise UsageError(
            f"{quoted(text)} is not a {algorithm} digest",
            hint=f"{algorithm} takes exactly {length} lower-case hexadecimal digits",
        )
    return Digest(algorithm, encoded)


def sha256(data: bytes | bytearray | memoryview) -> Digest:
    """The SHA-256 digest of `data`, the algorithm of everything that ocibuild writes."""
    return Digest("sha256", hashlib.sha256(data).hexdigest())


def fast_hash(data: bytes | bytearray | memoryview) -> bytes:
    """The BLAKE3 hash of `data`, 32 bytes: as hard to forge as SHA-256, in a fifth of the time. For what stays on this machine."""
    import blake3

    return blake3.blake3(data).digest()


def verify_bytes(data: bytes, digest: Digest, size: int, *, subject: str) -> bytes:
    """`data`, if it has exactly `size` bytes and hashes to `digest`; IntegrityError naming `subject` if not."""
    return b"".join(verified([data], digest, size, subject=subject))


def verified(chunks: Iterable[bytes], digest: Digest, size: int, *, subject: str) -> Iterator[bytes]:
    """`chunks` passed through, with size and digest checked as they stream.

    More bytes than promised stop the stream at once; too few, or a wrong digest, raise IntegrityError after the last
    chunk. A consumer must therefore not publish what it took before the iterator is exhausted.
    """
    hasher, seen = digest.hasher(), 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            raise IntegrityError(
                f"{subject} is longer than the {size} bytes its descriptor promises", where=str(digest)
            )
        hasher.update(chunk)
        yield chunk
    if seen != size:
        raise IntegrityError(f"{subject} has {seen} bytes where its descriptor promises {size}", where=str(digest))
    if hasher.hexdigest() != digest.encoded:
        raise IntegrityError(f"{subject} hashes to {digest.algorithm}:{hasher.hexdigest()}", where=f"expected {digest}")
