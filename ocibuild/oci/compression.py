"""Packing and unpacking of layer tars; the only module that knows a compression library.

A layer is packed segment by segment, each segment as one unit (a gzip member, RFC 1952 2.2; a zstd frame, RFC 8878 3.1): the
concatenation is a valid stream, and the bytes depend on nothing but the segments, the level and the library's version.
libdeflate and zstd were measured to write equal bytes on every CPU and Python; zlib and ISA-L were not, so neither writes.
"""

from __future__ import annotations

import lzma
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.oci.media_type import Compression

Buffer = bytes | bytearray | memoryview

_LEVELS = {Compression.NONE: range(1), Compression.GZIP: range(1, 13), Compression.ZSTD: range(1, 23)}
# gzip 4: the fastest level that is smaller than what umoci and docker write (gzip 6 takes a quarter more time for 3 % less:
# docs/performance.md). A change of it changes every digest.
_DEFAULT_LEVELS = {Compression.NONE: 0, Compression.GZIP: 4, Compression.ZSTD: 3}
_MAGIC = (
    (b"\x1f\x8b", Compression.GZIP),
    (b"\x28\xb5\x2f\xfd", Compression.ZSTD),
    (b"\xfd7zXZ\x00", Compression.XZ),
)
_SKIPPABLE_FRAME = b"\x2a\x4d\x18"  # after one byte 0x50 to 0x5f: RFC 8878 3.1.2; zstd:chunked uses them
_OUTPUT_STEP = 1 << 20
# What follows a finished unit is copied: in pieces of this size a stream of very many tiny units stays linear.
_INPUT_STEP = 1 << 15
# One 4-byte RLE block of zstd may unpack to 128 KiB, and its interface cannot bound the output of a call: so it is fed
# in slices of at most 64 such blocks (8 MiB), and in tiny ones as soon as a slice grows large.
_ZSTD_SLICE, _ZSTD_SMALL_SLICE = 256, 64
# A dictionary of xz may have 4 GiB; `xz -9` needs 65 MiB. zstd itself refuses windows of more than 128 MiB.
_XZ_MEMORY = 1 << 27

_per_thread = threading.local()


@dataclass(frozen=True, slots=True)
class Compressor:
    """One way to pack segments. Safe to use from many threads; the output does not depend on which."""

    compression: Compression
    level: int

    @property
    def fingerprint(self) -> str:
        """What decides the packed bytes besides the input: library, its version, level. Part of cache keys and metadata."""
        return (
            f"{_library(self.compression)} level {self.level}" if self.compression is not Compression.NONE else "none"
        )

    def pack(self, segment: Buffer) -> Buffer:
        """`segment` as one gzip member, one zstd frame, or itself."""
        if self.compression is Compression.GZIP:
            import deflate

            return deflate.gzip_compress(segment, self.level)
        if self.compression is Compression.ZSTD:
            return _zstd_compressor(self.level).compress(segment)
        return segment


def compressor(compression: Compression, level: int | None = None) -> Compressor:
    """The compressor of this kind; None takes the default level. UsageError for a level or kind that cannot be written."""
    if compression not in _LEVELS:
        raise UsageError(f"layers cannot be written with {compression.value}", hint="use gzip, zstd or none")
    chosen = _DEFAULT_LEVELS[compression] if level is None else level
    levels = _LEVELS[compression]
    if chosen not in levels and compression is Compression.NONE:
        raise UsageError(f"none has no level {chosen}", hint="without compression there is no level: leave it out")
    if chosen not in levels:
        raise UsageError(
            f"{compression.value} has no level {chosen}", hint=f"levels go from {levels.start} to {levels.stop - 1}"
        )
    return Compressor(compression, chosen)


def checksum(data: Buffer) -> int:
    """The CRC-32 of `data`: it finds damage, and proves nothing against intent."""
    import deflate

    return deflate.crc32(data)


def sniff(head: bytes) -> Compression:
    """How a stream that begins with `head` (at least 6 bytes, if it has them) is packed; NONE for all that is unknown."""
    for magic, compression in _MAGIC:
        if head.startswith(magic):
            return compression
    if head[1:4] == _SKIPPABLE_FRAME and 0x50 <= head[0] <= 0x5F:
        return Compression.ZSTD
    return Compression.NONE


def unpack(chunks: Iterable[bytes], compression: Compression, *, subject: str) -> Iterator[bytes]:
    """The unpacked stream, in chunks of bounded size whatever the input (a bomb costs time, not memory).

    Any number of members or frames is read. IntegrityError, naming `subject`, for damage, for an end in the middle of a
    unit, and for anything that follows the last one.
    """
    if compression is Compression.NONE:
        yield from chunks
        return
    try:
        yield from _units(chunks, compression, subject)
    except _damage() as error:
        raise IntegrityError(f"{subject} is not valid {compression.value}: {error}") from error


def unpack_any(chunks: Iterable[bytes], *, subject: str) -> Iterator[bytes]:
    """The unpacked stream of whatever packing the first bytes show."""
    source = iter(chunks)
    head = b""
    for chunk in source:
        head += chunk
        if len(head) >= 6:
            break
    return unpack(chain([head], source), sniff(head), subject=subject)


class _Unit(Protocol):
    """One gzip member, zstd frame or xz stream that is being unpacked."""

    finished: bool
    rest: bytes

    def feed(self, data: bytes) -> Iterator[bytes]: ...


def _units(chunks: Iterable[bytes], compression: Compression, subject: str) -> Iterator[bytes]:
    unit: _Unit | None = None
    seen = False
    for piece in _pieces(chunks):
        data = piece
        while data:
            unit, seen = unit or _UNITS[compression](), True
            yield from unit.feed(data)
            data = unit.rest if unit.finished else b""
            if unit.finished:
                unit = None
    if not seen:
        raise IntegrityError(f"{subject} is empty, which is not valid {compression.value}")
    if unit is not None:
        raise IntegrityError(f"{subject} ends in the middle of its compressed data")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for position in range(0, len(chunk), _INPUT_STEP):
            yield chunk[position : position + _INPUT_STEP]


class _GzipUnit:
    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=31)
        self.finished, self.rest = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        # At the end of a member that took several calls, zlib keeps what follows as a "tail" too, call after call.
        while data and not self._engine.eof:
            yield self._engine.decompress(data, _OUTPUT_STEP)
            data = self._engine.unconsumed_tail
        while not self._engine.eof and (more := self._engine.decompress(b"", _OUTPUT_STEP)):
            yield more
        self.finished, self.rest = self._engine.eof, self._engine.unused_data


class _XzUnit:
    def __init__(self) -> None:
        self._engine = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        self.finished, self.rest = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._engine.decompress(data, _OUTPUT_STEP)
        while not self._engine.eof and not self._engine.needs_input:
            yield self._engine.decompress(b"", _OUTPUT_STEP)
        self.finished, self.rest = self._engine.eof, self._engine.unused_data


class _ZstdUnit:
    def __init__(self) -> None:
        import zstandard

        self._engine = zstandard.ZstdDecompressor().decompressobj()
        self.finished, self.rest = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        position, step = 0, _ZSTD_SLICE
        while position < len(data) and not self._engine.eof:
            piece = self._engine.decompress(data[position : position + step])
            position += step
            step = _ZSTD_SMALL_SLICE if len(piece) > _OUTPUT_STEP else _ZSTD_SLICE
            yield piece
        self.finished = self._engine.eof
        self.rest = self._engine.unused_data + data[position:] if self.finished else b""


_UNITS: dict[Compression, Callable[[], _Unit]] = {
    Compression.GZIP: _GzipUnit,
    Compression.ZSTD: _ZstdUnit,
    Compression.XZ: _XzUnit,
}


def _zstd_compressor(level: int) -> _ZstdCompressor:
    # A compression context is costly to make and not safe to share, so each thread keeps one a level.
    contexts: dict[int, _ZstdCompressor] = _per_thread.__dict__.setdefault("zstd", {})
    if level not in contexts:
        import zstandard

        contexts[level] = zstandard.ZstdCompressor(level=level, write_content_size=True, write_checksum=False)
    return contexts[level]


class _ZstdCompressor(Protocol):
    def compress(self, data: Buffer) -> bytes: ...


def _library(compression: Compression) -> str:
    if compression is Compression.GZIP:
        import deflate

        return f"deflate {deflate.__version__}"
    import zstandard

    return f"zstandard {zstandard.__version__} zstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}"


def _damage() -> tuple[type[Exception], ...]:
    import zstandard

    return (zlib.error, lzma.LZMAError, zstandard.ZstdError, EOFError)
