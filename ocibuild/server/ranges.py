"""Byte ranges, in their three spellings: of a download (RFC 9110 14), of a chunk, and of what an upload has. Pure."""

from __future__ import annotations

import re

# More digits than any size has; int() of a million digits would take seconds.
_NUMBER = r"[0-9]{1,19}"
_DOWNLOAD = re.compile(rf"bytes[ \t]*=[ \t]*({_NUMBER})?-({_NUMBER})?", re.ASCII | re.IGNORECASE)
_CHUNK = re.compile(rf"({_NUMBER})-({_NUMBER})", re.ASCII)


class UnsatisfiableError(Exception):
    """No byte of what there is lies in the range that was asked for."""


def requested_range(header: str | None, size: int) -> range | None:
    """The positions that a Range header asks for out of `size` bytes; None means all, as for what cannot be understood.

    Several ranges at once are answered with all, which RFC 9110 14.2 allows. UnsatisfiableError for a range that lies
    behind the end or is empty; one that ends before it begins counts as such, as distribution-spec's conformance tests
    have it.
    """
    match = _DOWNLOAD.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == (None, None):
        return None
    first, last = match.groups()
    if first is None:
        positions = range(max(0, size - int(last)), size)
    else:
        positions = range(int(first), size if last is None else min(int(last) + 1, size))
    if not positions:
        raise UnsatisfiableError
    return positions


def chunk_range(header: str) -> range | None:
    """The positions that the Content-Range of a chunk names (distribution-spec: `^[0-9]+-[0-9]+$`); None for anything else."""
    match = _CHUNK.fullmatch(header)
    if match is None:
        return None
    first, last = map(int, match.groups())
    return range(first, last + 1) if first <= last else None


def received_range(size: int) -> str:
    """The Range header of an upload that has `size` bytes. `0-0` means one byte or none: the format has no word for none."""
    return f"0-{max(0, size - 1)}"
