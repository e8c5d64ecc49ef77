"""Entries as tar bytes (POSIX.1-2001 pax, "ustar" interchange format) under one fixed set of rules.

WRITER = 1: ustar headers with numeric owners and empty names; integer mtimes; directories end in `/`; a pax header only where
ustar cannot say it (names that are long or not ASCII, big ids, sizes from 8 GiB, times outside ustar's range, xattrs), its
records sorted; two zero blocks at the end. A change of any of this changes every digest, and makes WRITER 2.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from ocibuild.layers.entries import Content, Entry, encoded
from ocibuild.oci.tar_format import BLOCK, BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, Xattrs, padding, sum_of_bytes

WRITER = 1
END_OF_ARCHIVE = bytes(2 * BLOCK)

# name; mode, uid, gid; size; mtime; checksum; from the kind to the device; prefix
_HEADER = struct.Struct("100s24s12s12s8s189s155s12x")
_REST = struct.Struct("1s100s6s2s64x8s8s")  # kind; link name; magic; version; (user and group name); device
_OCTAL_7, _OCTAL_11 = 0o7777777, 0o77777777777
_PAX_HEADER = b"x"
_PAX_NAME = b"PaxHeaders/entry"
_PLACEHOLDERS = bytes(char if char < 128 else ord("_") for char in range(256))


# What the tar has of an entry: its path, its header blocks, the size of its content, and where that comes from. A plain tuple, since
# a layer has tens of thousands of them.
Member = tuple[bytes, bytes, int, Content]


class Frame(NamedTuple):
    """What headers have in common, all but name and size: three stretches, their share of the checksum, what pax has to say."""

    front: bytes
    back: bytes
    rest: bytes
    total: int
    records: tuple[tuple[str, bytes], ...]


def member(entry: Entry) -> Member:
    """The entry, with all of its header blocks: its ustar header, behind a pax header if one is needed."""
    return entry.path, header(entry), entry.size, entry.content


def header(entry: Entry) -> bytes:
    """All header blocks of an entry."""
    path, kind, mode, uid, gid, mtime, size, link, _, xattrs, _, device, _, _ = entry
    if kind == DIRECTORY:
        path += b"/"
    frame = frame_of(kind, mode, uid, gid, mtime, link, device)
    plain = plain_header(path, size, frame) if not xattrs else None
    return plain or _pax_and_ustar(path, size, xattrs, frame)


def plain_header(path: bytes, size: int, frame: Frame) -> bytes | None:
    """The header of an entry without xattrs, if it is a single block, as those of nearly all entries are."""
    name = _split(path)
    return _ustar(name, size, frame) if name is not None and size <= _OCTAL_11 and not frame.records else None


def _pax_and_ustar(path: bytes, size: int, xattrs: Xattrs, frame: Frame) -> bytes:
    records = dict(frame.records) | {f"SCHILY.xattr.{name}": value for name, value in xattrs}
    name = _split(path)
    if name is None:
        records["path"] = path
        name = b"", path[:100].translate(_PLACEHOLDERS)
    size = _number("size", size, _OCTAL_11, records)
    return _pax(records) + _ustar(name, size, frame)


def _split(path: bytes) -> tuple[bytes, bytes] | None:
    """(prefix, name) as ustar holds a path of up to 256 bytes; None if it cannot."""
    if not path.isascii():
        return None
    if len(path) <= 100:
        return b"", path
    cut = path.rfind(b"/", 0, min(156, len(path) - 1))
    return (path[:cut], path[cut + 1 :]) if cut > 0 and len(path) - cut - 1 <= 100 else None


def _number(field: str, value: int, limit: int, records: dict[str, bytes]) -> int:
    if 0 <= value <= limit:
        return value
    records[field] = b"%d" % value
    return 0


def _pax(records: dict[str, bytes]) -> bytes:
    if not all(_is_utf8(records.get(key, b"")) for key in ("path", "linkpath")):
        records["hdrcharset"] = b"BINARY"  # pax: values are UTF-8 unless this says that they are raw bytes
    # hdrcharset governs the records that follow it, so it comes first; the rest is in order of keys.
    keys = sorted(records, key=lambda key: (key != "hdrcharset", key))
    body = b"".join(_record(encoded(key), records[key]) for key in keys)
    block = _ustar((b"", _PAX_NAME), len(body), frame_of(_PAX_HEADER, 0o644, 0, 0, 0))
    return block + body + bytes(padding(len(body)))


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH key=value\\n`, where LENGTH counts itself too."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if length != rest + len(str(length)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ustar(name: tuple[bytes, bytes], size: int, frame: Frame) -> bytes:
    prefix, base = name
    front, back, rest, total, _ = frame
    digits = b"%011o\0" % size
    checksum = b"%06o\0 " % (total + sum_of_bytes(prefix + base + digits))
    return _HEADER.pack(base, front, digits, back, checksum, rest, prefix)


@lru_cache(4096)
def frame_of(  # noqa: PLR0917 - the fields of the header, in its order
    kind: bytes, mode: int, uid: int, gid: int, mtime: int, link: bytes = b"", device: tuple[int, int] = (0, 0)
) -> Frame:
    """The frame of a header with these fields. Nearly all files of a tree share two or three of them."""
    records: dict[str, bytes] = {}
    if len(link) > 100 or not link.isascii():
        records["linkpath"] = link
        link = link[:100].translate(_PLACEHOLDERS)
    uid, gid = _number("uid", uid, _OCTAL_7, records), _number("gid", gid, _OCTAL_7, records)
    mtime = _number("mtime", mtime, _OCTAL_11, records)
    has_device = kind in (CHARACTER_DEVICE, BLOCK_DEVICE)
    major, minor = device if has_device else (0, 0)
    front = b"%07o\0%07o\0%07o\0" % (mode, uid, gid)
    back = b"%011o\0" % mtime
    rest = _REST.pack(kind, link, b"ustar", b"00", b"%07o" % major, b"%07o" % minor)
    total = sum(front) + sum(back) + sum(rest) + 8 * ord(" ")  # as which the checksum counts itself
    return Frame(front, back, rest, total, tuple(records.items()))
