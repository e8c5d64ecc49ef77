"""Where a request's body ends (RFC 9112 6), and its bytes in pieces of bounded size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

PIECE = 1 << 20
_LINE_LIMIT = 1024
_TRAILER_LIMIT = 100
_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class FramingError(Exception):
    """The head does not say clearly where the body ends: it must not be guessed, and the connection is of no more use."""


class BrokenBodyError(Exception):
    """The body ended before its end, or stood still, or is not what its framing says."""


class Stream(Protocol):
    """What a body is read from; both calls return less only where nothing more comes."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...

    def readline(self, limit: int, /) -> bytes: ...


def body_length(lengths: Sequence[str], encodings: Sequence[str]) -> int | None:
    """The length that these Content-Length and Transfer-Encoding headers give; None for a chunked body.

    FramingError for any other encoding, for both at once and for several lengths: two readers would see two requests.
    """
    if encodings:
        if lengths or [encoding.strip().lower() for encoding in encodings] != ["chunked"]:
            raise FramingError("only `Transfer-Encoding: chunked`, and no Content-Length beside it")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0].strip()):
        raise FramingError("Content-Length is not one number")
    return int(lengths[0])


class Body:
    """The body of one request, read once. What is read is a view of one buffer, and is only good until the next piece."""

    def __init__(self, stream: Stream, length: int | None, before_reading: Callable[[], None] = lambda: None) -> None:
        self._source: _Whole | _Chunked = _Chunked(stream) if length is None else _Whole(stream, length)
        self._before_reading = before_reading
        self.length = length
        self.is_untouched = True

    @property
    def is_finished(self) -> bool:
        """Whether the stream stands behind the body."""
        return self._source.is_finished

    def pieces(self) -> Iterator[memoryview]:
        """The bytes in pieces of 1 MiB, but for the last. BrokenBodyError where they break off."""
        if self.is_untouched and not self.is_finished:
            self._before_reading()
        self.is_untouched = False
        buffer = memoryview(bytearray(PIECE if self.length is None else min(PIECE, self.length)))
        try:
            while filled := self._fill(buffer):
                yield buffer[:filled]
        except OSError as error:  # a timeout, or a reset
            raise BrokenBodyError(str(error)) from error

    def read_at_most(self, limit: int) -> bytes | None:
        """The whole body; None if it has more than `limit` bytes, which are then not all read."""
        if self.length is not None and self.length > limit:
            return None
        whole = bytearray()
        for piece in self.pieces():
            whole += piece
            if len(whole) > limit:
                return None
        return bytes(whole)

    def _fill(self, buffer: memoryview) -> int:
        filled = 0
        while filled < len(buffer) and (count := self._source.readinto(buffer[filled:])):
            filled += count
        return filled


class _Whole:
    def __init__(self, stream: Stream, length: int) -> None:
        self._stream = stream
        self._left = length

    @property
    def is_finished(self) -> bool:
        return self._left == 0

    def readinto(self, buffer: memoryview) -> int:
        if not self._left:
            return 0
        count = _read_some(self._stream, buffer[: self._left])
        self._left -= count
        return count


class _Chunked:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._left = 0
        self.is_finished = False

    def readinto(self, buffer: memoryview) -> int:
        if not self._left and not self.is_finished:
            self._begin_chunk()
        if self.is_finished:
            return 0
        count = _read_some(self._stream, buffer[: self._left])
        self._left -= count
        if not self._left and self._line().strip():
            raise BrokenBodyError("a chunk is longer than it says")
        return count

    def _begin_chunk(self) -> None:
        match = _CHUNK_SIZE.fullmatch(self._line())
        if match is None:
            raise BrokenBodyError("a chunk has no size")
        self._left = int(match[1], 16)
        if not self._left:
            self._skip_trailers()
            self.is_finished = True

    def _skip_trailers(self) -> None:
        for _ in range(_TRAILER_LIMIT):
            if not self._line().strip():
                return
        raise BrokenBodyError("too many trailers")

    def _line(self) -> bytes:
        line = self._stream.readline(_LINE_LIMIT)
        if not line.endswith(b"\n"):
            raise BrokenBodyError("a line of the chunked body is cut or too long")
        return line


def _read_some(stream: Stream, buffer: memoryview) -> int:
    count = stream.readinto(buffer)
    if not count:
        raise BrokenBodyError("the body breaks off")
    return count
