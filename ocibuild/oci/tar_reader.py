"""A tar read as a stream, member by member: ustar, pax and GNU's extensions for long names and large numbers.

Nothing is ever written to disk from it (CVE-2025-4517 and its kin: the safe way to unpack an untrusted archive is not to). Sparse
members are refused: image-spec layer.md advises against them, and their holes would have to be filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ocibuild.errors import TarDefect, TarError
from ocibuild.oci.tar_format import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    Xattrs,
    checksum,
    padding,
    printable,
)

_PAX, _PAX_GLOBAL, _GNU_LONG_NAME, _GNU_LONG_LINK, _GNU_SPARSE = b"x", b"g", b"L", b"K", b"S"
_REGULAR = (b"0", b"\0", b"7")
_KNOWN = (*_REGULAR, b"1", b"2", b"3", b"4", b"5", b"6")
_EXTENSION_LIMIT = 1 << 20  # what the pax headers and long names of one member may have together
_XATTR_PREFIX = "SCHILY.xattr."
_OCTAL = re.compile(rb"[0-7]+")
_PAX_NUMBER = re.compile(rb"(-?[0-9]{1,20})(?:\.[0-9]*)?")
_ZEROS = bytes(BLOCK)
_DEVICE_LIMIT = 0o7777777  # what a header can hold when it is written again


class Member(NamedTuple):
    """One member as the archive says it; paths are raw. `kind` is one of the seven that an image can hold."""

    path: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    link: bytes
    device: tuple[int, int]
    xattrs: Xattrs


class TarReader:
    """Iterates the members of a tar. `content()` gives the bytes of the member that was yielded last; what is not read is skipped.

    TarError, without a place, for what is no tar, is damaged, or ends too early; the stream is read to its very end.
    `pass_over`, where there is one, moves what `chunks` reads on by so many bytes: content that nobody wants is not read then.
    """

    def __init__(
        self, chunks: Iterable[bytes], subject: str, *, pass_over: Callable[[int], object] | None = None
    ) -> None:
        self._stream = _ByteStream(iter(chunks), subject, pass_over)
        self._subject = subject
        self._left = 0  # content and padding of the present member that are still ahead
        self._extensions = 0  # bytes of the extended headers that were read for the next member

    def __iter__(self) -> Iterator[Member]:
        extended: dict[str, bytes] = {}
        while (block := self._header_block()) != _ZEROS:
            kind = block[156:157]
            if kind in (_PAX, _PAX_GLOBAL, _GNU_LONG_NAME, _GNU_LONG_LINK):
                self._extend(extended, kind, block)
                continue
            member = self._member(block, extended)
            extended, self._extensions = {}, 0
            self._left = member.size + padding(member.size)
            yield member
            self._stream.skip(self._left)
        self._stream.finish()

    @property
    def offset(self) -> int:
        """Where in the stream the reader is: at the beginning of the content of the member that was yielded last."""
        return self._stream.offset

    def content(self, size: int) -> Iterator[bytes]:
        """The `size` bytes of the present member."""
        while size:
            chunk = self._stream.some(size)
            size -= len(chunk)
            self._left -= len(chunk)
            yield chunk

    def _header_block(self) -> bytes:
        if self._stream.is_at_end():
            raise _cut_short(self._subject, TarDefect.NO_END)
        block = self._stream.exactly(BLOCK)
        # Where the checksum stands, blanks are summed up.
        if block != _ZEROS and _octal(block[148:156], self._subject) != checksum(block[:148] + b" " * 8 + block[156:]):
            raise _damaged(self._subject, "the checksum of a header is wrong")
        return block

    def _extend(self, extended: dict[str, bytes], kind: bytes, block: bytes) -> None:
        size = _size(block[124:136], self._subject)
        self._extensions += size
        if self._extensions > _EXTENSION_LIMIT:
            raise TarError(
                f"{self._subject} has extended headers of {self._extensions} bytes; at most {_EXTENSION_LIMIT} are read",
                defect=TarDefect.DAMAGED,
                hint="make the archive with shorter names and fewer attributes",
            )
        body = self._stream.exactly(size + padding(size))[:size]
        if kind == _PAX:
            extended.update(_pax_records(body, self._subject))
        elif kind == _GNU_LONG_NAME:
            extended["path"] = _text(body)
        elif kind == _GNU_LONG_LINK:
            extended["linkpath"] = _text(body)
        # A global header (git archive writes one with a comment) says nothing about a single member; containerd skips it too.

    def _member(self, block: bytes, extended: Mapping[str, bytes]) -> Member:
        path = extended.get("path") or _ustar_path(block)
        subject = f"{self._subject}: {printable(path)}"
        kind = _kind(block[156:157], path, extended, subject)
        return Member(
            path=path,
            kind=kind,
            mode=_number(block[100:108], subject) & 0o7777,
            uid=_not_negative(_extended_number(extended, "uid", block[108:116], subject), subject),
            gid=_not_negative(_extended_number(extended, "gid", block[116:124], subject), subject),
            mtime=_extended_number(extended, "mtime", block[136:148], subject),
            # Of all other kinds no content follows, whatever they say.
            size=_not_negative(_extended_number(extended, "size", block[124:136], subject), subject)
            if kind == FILE
            else 0,
            link=(extended.get("linkpath") or _text(block[157:257])) if kind in (HARDLINK, SYMLINK) else b"",
            device=_device(block, subject) if kind in (CHARACTER_DEVICE, BLOCK_DEVICE) else (0, 0),
            xattrs=_xattrs(extended) if extended else (),
        )


class _ByteStream:
    """Chunks of any size, read in amounts that the reader chooses."""

    def __init__(self, chunks: Iterator[bytes], subject: str, pass_over: Callable[[int], object] | None) -> None:
        self._chunks, self._subject, self._pass_over = chunks, subject, pass_over
        self._chunk, self._position = b"", 0
        self._before = 0  # bytes of earlier chunks, and those that were passed over

    @property
    def offset(self) -> int:
        return self._before + self._position

    def some(self, limit: int) -> bytes:
        """Between 1 and `limit` bytes. TarError at the end of the stream."""
        if self.is_at_end():
            raise _cut_short(self._subject, TarDefect.CUT_SHORT)
        piece = self._chunk[self._position : self._position + limit]
        self._position += len(piece)
        return piece

    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        while self._position == len(self._chunk):
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._before += len(self._chunk)
            self._chunk, self._position = chunk, 0
        return False

    def exactly(self, size: int) -> bytes:
        """`size` bytes."""
        if 0 < size <= len(self._chunk) - self._position:
            return self.some(size)
        parts: list[bytes] = []
        while size:
            parts.append(self.some(size))
            size -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> None:
        ahead = size - (len(self._chunk) - self._position)
        if ahead > 0 and self._pass_over is not None:
            self._pass_over(ahead)
            self._before, size = self._before + ahead, size - ahead
        while size:
            size -= len(self.some(size))

    def finish(self) -> None:
        """Read what follows the end of the archive: padding, and the checksum of whatever the archive is packed in."""
        rest: bytes | None = self._chunk[self._position :]
        while rest is not None:
            if rest.count(0) != len(rest):
                raise TarError(
                    f"{self._subject} goes on behind its end, where readers stop",
                    defect=TarDefect.GOES_ON,
                    hint="if archives were joined to make it, join them with tar --concatenate",
                )
            rest = next(self._chunks, None)


def _kind(kind: bytes, path: bytes, extended: Mapping[str, bytes], subject: str) -> bytes:
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


def _xattrs(extended: Mapping[str, bytes]) -> Xattrs:
    names = (key for key in extended if key.startswith(_XATTR_PREFIX))
    return tuple(sorted((key.removeprefix(_XATTR_PREFIX), extended[key]) for key in names))


def _device(block: bytes, subject: str) -> tuple[int, int]:
    major, minor = _number(block[329:337], subject), _number(block[337:345], subject)
    if not (0 <= major <= _DEVICE_LIMIT and 0 <= minor <= _DEVICE_LIMIT):
        raise _damaged(subject, f"there is no device {major}:{minor}")
    return major, minor


def _pax_records(body: bytes, subject: str) -> dict[str, bytes]:
    """The records of an extended header. A length that lies, or a NUL in a name, makes it damaged."""
    records: dict[str, bytes] = {}
    start = 0
    while start < len(body):
        blank = body.find(b" ", start, start + 10)
        digits = body[start : max(blank, start)]
        end = start + int(digits) if digits.isdigit() else 0
        equals = body.find(b"=", blank, end)
        if not blank < equals < end <= len(body) or body[end - 1 : end] != b"\n":
            raise _damaged(subject, "an extended header is malformed")
        key, value = body[blank + 1 : equals], body[equals + 1 : end - 1]
        if b"\0" in value and key in (b"path", b"linkpath"):
            raise _damaged(subject, "a name has a NUL byte")
        records[key.decode("utf-8", "surrogateescape")] = value
        start = end
    return records


def _extended_number(extended: Mapping[str, bytes], key: str, field: bytes, subject: str) -> int:
    """A number from the extended header if it is there (times may have a fraction, which is cut), else from the ustar field."""
    value = extended.get(key)
    if not value:  # an empty value takes back what a global header said
        return _number(field, subject)
    match = _PAX_NUMBER.fullmatch(value)
    if match is None:
        raise _damaged(subject, f"the {key} in its extended header is no number")
    return int(match[1])


def _size(field: bytes, subject: str) -> int:
    return _not_negative(_number(field, subject), subject)


def _not_negative(value: int, subject: str) -> int:
    if value < 0:
        raise _damaged(subject, f"a header says {value} where that cannot be")
    return value


def _number(field: bytes, subject: str) -> int:
    """An octal field, or GNU's base-256 for what does not fit."""
    if field[0] & 0x80:
        # The bit after the marker is the sign of a two's complement number.
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if field[0] & 0x40 else value
    return _octal(field, subject)


def _octal(field: bytes, subject: str) -> int:
    digits = field.strip(b" ").partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    if not _OCTAL.fullmatch(digits):
        raise _damaged(subject, "a header holds no number where one belongs")
    return int(digits, 8)


def _damaged(subject: str, reason: str, defect: TarDefect = TarDefect.DAMAGED) -> TarError:
    what = f"{subject} is no tar archive, or is damaged: {reason}"
    return TarError(what, defect=defect, hint="make the archive again")


def _cut_short(subject: str, defect: TarDefect) -> TarError:
    return _damaged(subject, "it ends before the mark that ends an archive, as if cut short", defect)


def _ustar_path(block: bytes) -> bytes:
    name, prefix = _text(block[:100]), _text(block[345:500])
    # Only POSIX headers have a prefix; GNU's keep times in its place.
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
