"""One layer read from its first byte to its last, in one pass: what it unpacks to, and what is wrong with its tar."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from ocibuild.checks.layer_survey import LayerSurvey, Oddity, Sightings
from ocibuild.errors import IntegrityError, TarDefect, TarError
from ocibuild.oci.compression import sniff, unpack
from ocibuild.oci.digest import Digest
from ocibuild.oci.media_type import Compression
from ocibuild.oci.tar_reader import TarReader

_HEAD = 6  # bytes that tell how a stream is packed


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How far a layer is believed. Bytes: unpacked altogether; and how many times its packed size, above a size that is harmless.

    gzip packs zeros a thousand times smaller, zstd thirty thousand times. What people ship is five, at times fifty times smaller.
    Memory is in proportion to the number of members and the bytes of their names.
    """

    unpacked: int = 1 << 37
    ratio: int = 200
    harmless: int = 1 << 30
    members: int = 1_500_000
    name_bytes: int = 1 << 28

    def most_unpacked(self, packed: int) -> int:
        """The number of bytes that a layer of this packed size is unpacked to at most."""
        return min(self.unpacked, max(self.harmless, self.ratio * packed))


LIMITS = ReadingLimits()


class Stop(Enum):
    """Why the members of a layer were not read to their end, if the tar itself is not to blame."""

    PACKING = auto()
    BOMB = auto()


@dataclass(frozen=True, slots=True)
class LayerReading:
    """What reading a layer showed: `subject` is what messages call it, `compression` how it is packed, by its first bytes.

    `diff_ids` is what it unpacks to, by the algorithm of each digest that was promised; none if it could not be unpacked.
    `stopped` says why, and in which words, the reading of members ended early.
    """

    subject: str
    compression: Compression
    unpacked: int
    members: int
    diff_ids: frozenset[Digest] = frozenset()
    odd: Mapping[Oddity, Sightings] = field(default_factory=dict)
    stopped: tuple[Stop | TarDefect, str] | None = None


def read_layer(
    chunks: Iterable[bytes], size: int, promised: Iterable[Digest], *, subject: str, limits: ReadingLimits = LIMITS
) -> LayerReading:
    """Read the layer whose blob is `chunks`, of `size` bytes. Errors of `chunks` are raised, those of the layer are in the result.

    All of `chunks` is taken, so that whoever hands them out can verify them, even if what is in them is not read to its end.
    """
    blob = _Blob(chunks)
    head = blob.peek()
    compression = sniff(head)
    plain = _Plain(unpack(blob, compression, subject=subject), limits.most_unpacked(size), promised, subject)
    survey = LayerSurvey()
    stopped = _survey(plain, survey, limits, blob)
    deque(blob, maxlen=0)
    return LayerReading(subject, compression, plain.size, survey.members, plain.diff_ids(), survey.finish(), stopped)


def _survey(
    plain: _Plain, survey: LayerSurvey, limits: ReadingLimits, blob: _Blob
) -> tuple[Stop | TarDefect, str] | None:
    """Read all members, and what follows them. What stopped that, if anything did."""
    stream = iter(plain)
    stopped: tuple[Stop | TarDefect, str] | None = None
    try:
        try:
            for member in TarReader(stream, plain.subject):
                survey.add(member)
                if survey.members > limits.members or survey.name_bytes > limits.name_bytes:
                    raise _BombError(f"{plain.subject} has more members, or longer names, than are read")
        except TarError as error:
            stopped = error.defect, error.what
            deque(stream, maxlen=0)  # the diff_id is of all bytes, whatever they are
    except _BombError as error:
        return Stop.BOMB, str(error)
    except IntegrityError as error:
        if blob.failed:
            raise
        return Stop.PACKING, error.what
    return stopped


class _BombError(Exception):
    """A layer is larger than is believed."""


class _Blob:
    """The packed bytes. Knows whether an error is theirs, or comes of unpacking them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._head: deque[bytes] = deque()
        self.failed = False

    def peek(self) -> bytes:
        """The first bytes."""
        while sum(map(len, self._head)) < _HEAD and (chunk := next(self._chunks, None)) is not None:
            self._head.append(chunk)
        return b"".join(self._head)

    def __iter__(self) -> Iterator[bytes]:
        try:
            while self._head:
                yield self._head.popleft()
            yield from self._chunks
        except GeneratorExit:
            raise
        except Exception:
            self.failed = True
            raise


class _Plain:
    """The unpacked bytes: counted, hashed, and no more of them than `most`."""

    def __init__(self, chunks: Iterable[bytes], most: int, promised: Iterable[Digest], subject: str) -> None:
        self._chunks, self._most = chunks, most
        self._hashers = {digest.algorithm: digest.hasher() for digest in promised if digest.is_verifiable}
        self._ended = False
        self.subject = subject
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._most:
                raise _BombError(
                    f"{self.subject} unpacks to more than {self._most:,} bytes, and is not read any further"
                )
            for hasher in self._hashers.values():
                hasher.update(chunk)
            yield chunk
        self._ended = True

    def diff_ids(self) -> frozenset[Digest]:
        """The digests of all bytes; none where these did not come to their end."""
        if not self._ended:
            return frozenset()
        return frozenset(Digest(name, hasher.hexdigest()) for name, hasher in self._hashers.items())
