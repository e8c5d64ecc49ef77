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
from ocibuild.oci.layer_limits import LIMITS, Limits
from ocibuild.oci.media_type import Compression
from ocibuild.oci.tar_reader import TarReader
from ocibuild.oci.unpacked import UnpackedLayer

_HEAD = 6  # bytes that tell how a stream is packed


class Stop(Enum):
    """Why the members of a layer were not read to their end, if the tar itself is not to blame."""

    PACKING = auto()
    BOMB = auto()


Stopped = tuple[Stop | TarDefect, str]


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
    stopped: Stopped | None = None


def read_layer(
    chunks: Iterable[bytes], size: int, promised: Iterable[Digest], *, subject: str, limits: Limits = LIMITS
) -> LayerReading:
    """Read the layer whose blob is `chunks`, of `size` bytes. Errors of `chunks` are raised, those of the layer are in the result.

    All of `chunks` is taken, so that whoever hands them out can verify them, even if what is in them is not read to its end.
    """
    blob = _Blob(chunks)
    head = blob.peek()
    compression = sniff(head)
    unpacked = unpack(blob, compression, subject=subject)
    plain = UnpackedLayer(unpacked, limits.most_unpacked(size), promised, subject=subject)
    survey = LayerSurvey()
    stopped = _read(plain, survey, limits, blob, subject)
    deque(blob, maxlen=0)
    return LayerReading(subject, compression, plain.size, survey.members, plain.diff_ids(), survey.finish(), stopped)


def _read(plain: UnpackedLayer, survey: LayerSurvey, limits: Limits, blob: _Blob, subject: str) -> Stopped | None:
    """Read all members, and what follows them. What stopped that, if anything did."""
    stream = iter(plain)
    try:
        stopped = _read_members(stream, survey, limits, subject)
        if stopped is None or stopped[0] is not Stop.BOMB:
            deque(stream, maxlen=0)  # the diff_id is of all bytes, whatever they are
    except IntegrityError as error:
        if blob.failed:
            raise
        return Stop.BOMB if plain.is_bomb else Stop.PACKING, error.what
    return stopped


def _read_members(stream: Iterator[bytes], survey: LayerSurvey, limits: Limits, subject: str) -> Stopped | None:
    try:
        for member in TarReader(stream, subject):
            survey.add(member)
            if survey.members > limits.entries or survey.name_bytes > limits.names:
                return Stop.BOMB, f"{subject} has more entries, or longer names, than are read"
    except TarError as error:
        return error.defect, error.what
    return None


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
        except Exception:
            self.failed = True
            raise
