"""What the fields of a tar header say: numbers, names, pax records; and the errors for those that say nothing.

POSIX ustar and pax, and GNU's extensions for large numbers. `subject` is what errors speak of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ocibuild.errors import TarDefect, TarError
from ocibuild.oci.tar_format import DIRECTORY, FILE, Xattrs

_GNU_SPARSE = b"S"
_REGULAR = (b"0", b"\0", b"7")
_KNOWN = (*_REGULAR, b"1", b"2", b"3", b"4", b"5", b"6")
_XATTR_PREFIX = "SCHILY.xattr."
_OCTAL = re.compile(rb"[0-7]+")
_PAX_NUMBER = re.compile(rb"(-?[0-9]{1,20})(?:\.[0-9]*)?")
_DEVICE_LIMIT = 0o7777777  # what a header can hold when it is written again


def member_kind(kind: bytes, path: bytes, extended: Mapping[str, bytes], subject: str) -> bytes:
    """The kind of a member, one of the seven that an image can hold. TarError for any other, and for sparse files."""
    if kind == _GNU_SPARSE or any(key.startswith("GNU.sparse.") for key in extended):
        what = f"{subject} is stored as a sparse file"
        raise TarError(what, defect=TarDefect.SPARSE, hint="write the archive without --sparse")
    if kind not in _KNOWN:
        raise TarError(
            f"{subject} is of the unknown kind {kind!r}",
            defect=TarDefect.UNKNOWN_KIND,
            hint="an image holds files, directories, links, FIFOs and devices: make the archive again, of these",
        )
    if kind not in _REGULAR:
        return kind
    # Before POSIX a slash was all that made a directory, and GNU's v7 format still does it so.
    return DIRECTORY if path.endswith(b"/") else FILE


def member_xattrs(extended: Mapping[str, bytes]) -> Xattrs:
    """The extended attributes that an extended header holds, by name."""
    names = (key for key in extended if key.startswith(_XATTR_PREFIX))
    return tuple(sorted((key.removeprefix(_XATTR_PREFIX), extended[key]) for key in names))


def member_device(block: bytes, subject: str) -> tuple[int, int]:
    """The numbers of a device."""
    major, minor = number(block[329:337], subject), number(block[337:345], subject)
    if not (0 <= major <= _DEVICE_LIMIT and 0 <= minor <= _DEVICE_LIMIT):
        raise damaged(subject, f"there is no device {major}:{minor}")
    return major, minor


def pax_records(body: bytes, subject: str) -> dict[str, bytes]:
    """The records of an extended header. A length that lies, or a NUL in a name, makes it damaged."""
    records: dict[str, bytes] = {}
    start = 0
    while start < len(body):
        blank = body.find(b" ", start, start + 10)
        digits = body[start : max(blank, start)]
        end = start + int(digits) if digits.isdigit() else 0
        equals = body.find(b"=", blank, end)
        if not blank < equals < end <= len(body) or body[end - 1 : end] != b"\n":
            raise damaged(subject, "an extended header is malformed")
        key, value = body[blank + 1 : equals], body[equals + 1 : end - 1]
        if b"\0" in value and key in (b"path", b"linkpath"):
            raise damaged(subject, "a name has a NUL byte")
        records[key.decode("utf-8", "surrogateescape")] = value
        start = end
    return records


def extended_number(extended: Mapping[str, bytes], key: str, field: bytes, subject: str) -> int:
    """A number from the extended header if it is there (times may have a fraction, which is cut), else from the ustar field."""
    value = extended.get(key)
    if not value:  # an empty value takes back what a global header said
        return number(field, subject)
    match = _PAX_NUMBER.fullmatch(value)
    if match is None:
        raise damaged(subject, f"the {key} in its extended header is no number")
    return int(match[1])


def size_of(field: bytes, subject: str) -> int:
    """A number of bytes."""
    return not_negative(number(field, subject), subject)


def not_negative(value: int, subject: str) -> int:
    """`value`; TarError where it is below zero."""
    if value < 0:
        raise damaged(subject, f"a header says {value} where that cannot be")
    return value


def number(field: bytes, subject: str) -> int:
    """An octal field, or GNU's base-256 for what does not fit."""
    if field[0] & 0x80:
        # The bit after the marker is the sign of a two's complement number.
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if field[0] & 0x40 else value
    return octal(field, subject)


def octal(field: bytes, subject: str) -> int:
    """A number in octal digits; an empty field is 0."""
    digits = field.strip(b" ").partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    if not _OCTAL.fullmatch(digits):
        raise damaged(subject, "a header holds no number where one belongs")
    return int(digits, 8)


def damaged(subject: str, reason: str, defect: TarDefect = TarDefect.DAMAGED) -> TarError:
    """The error for an archive that cannot be read."""
    what = f"{subject} is no tar archive, or is damaged: {reason}"
    return TarError(what, defect=defect, hint="make the archive again")


def cut_short(subject: str, defect: TarDefect) -> TarError:
    """The error for one that lacks its end."""
    return damaged(subject, "it ends before the mark that ends an archive, as if cut short", defect)


def ustar_path(block: bytes) -> bytes:
    """The path of a header by itself."""
    name, prefix = text_of(block[:100]), text_of(block[345:500])
    # Only POSIX headers have a prefix; GNU's keep times in its place.
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def text_of(field: bytes) -> bytes:
    """What a field holds before its first NUL."""
    return field.partition(b"\0")[0]
