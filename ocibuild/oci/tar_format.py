"""What everybody who reads or writes tars has to agree on: kinds, blocks, checksums, and the names that are whiteouts."""

from __future__ import annotations

import zlib

Xattrs = tuple[tuple[str, bytes], ...]

BLOCK = 512
# Typeflags of the ustar header, and so the kinds of entries.
FILE, HARDLINK, SYMLINK = b"0", b"1", b"2"
CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO = b"3", b"4", b"5", b"6"

WHITEOUT_PREFIX = b".wh."  # image-spec layer.md, "Whiteouts"
OPAQUE_WHITEOUT = b".wh..wh..opq"


def padding(size: int) -> int:
    """The number of zero bytes that follow `size` bytes of content."""
    return -size % BLOCK


def checksum(block: bytes) -> int:
    """The sum of a header block's bytes."""
    return sum_of_bytes(block[:256]) + sum_of_bytes(block[256:])


def sum_of_bytes(data: bytes) -> int:
    """The sum of up to 256 bytes, or twice as many of ASCII.

    The low half of Adler-32 is 1 + the sum of the bytes modulo 65521, which these stay below. This takes a twentieth of the
    time of `sum()`, which would be most of the cost of a small file.
    """
    return (zlib.adler32(data) & 0xFFFF) - 1


def printable(path: bytes) -> str:
    """A path as text that is safe on a terminal."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
