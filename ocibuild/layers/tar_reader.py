"""A tar read as a stream, member by member: ustar, pax and GNU's extensions for long names and large numbers.

Nothing is ever written to disk from it (CVE-2025-4517 and its kin: the safe way to unpack an untrusted archive is not to). Sparse
members are refused: image-spec layer.md advises against them, and their holes would have to be filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ocibuild.errors import SourceError
from ocibuild.layers.entries import FILE, HARDLINK, SYMLINK, printable
from ocibuild.layers.tar import BLOCK, padding

_PAX, _PAX_GLOBAL, _GNU_LONG_NAME, _GNU_LONG_LINK, _GNU_SPARSE = b"x", b"g", b"L", b"K", b"S"
_REGULAR = (b"0", b"\0", b"7")
_KNOWN = (*_REGULAR, b"1", b"2", b"3", b"4", b"5", b"6")
_EXTENSION_LIMIT = 1 << 20  # the largest pax header or long name that is believed
_XATTR_PREFIX = "SCHILY.xattr."


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
    xattrs: tuple[tuple[str, bytes], ...]


class TarReader:
    """Iterates the members of a tar. `content()` gives the bytes of the member that was yielded last; what is not read is skipped."""

    def __init__(self, chunks: Iterable[bytes], subject: str) -> None:
        self._stream = _ByteStream(iter(chunks), subject)
        self._subject = subject
        self._left = 0  # content and padding of the present member that are still ahead

    def __iter__(self) -> Iterator[Member]:
        extended: dict[str, bytes] = {}
        while (block := self._header_block()) is not None:
            kind = block[156:157]
            if kind in (_PAX, _PAX_GLOBAL, _GNU_LONG_NAME, _GNU_LONG_LINK):
                self._extend(extended, kind, block)
                continue
            member = self._member(block, extended)
            extended = {}
            self._left = member.size + padding(member.size)
            yield member
            self._stream.skip(self._left)
        # What follows the end of the archive is padding to the size of a tape record, which no reader looks at.

    def content(self, size: int) -> Iterator[bytes]:
        """The `size` bytes of the present member."""
        while size:
            chunk = self._stream.some(size)
            size -= len(chunk)
            self._left -= len(chunk)
            yield chunk

    def _header_block(self) -> bytes | None:
        block = self._stream.exactly(BLOCK, at_end_ok=True)
        if not block or not any(block):
            return None
        check_header(block, self._subject)
        return block

    def _extend(self, extended: dict[str, bytes], kind: bytes, block: bytes) -> None:
        size = _number(block[124:136], "size", self._subject)
        if size > _EXTENSION_LIMIT:
            raise SourceError(
                f"{self._subject} has an extended header of {size} bytes; at most {_EXTENSION_LIMIT} are read"
            )
        body = self._stream.exactly(size + padding(size))[:size]
        if kind == _PAX:
            extended.update(_pax_records(body, self._subject))
        elif kind == _GNU_LONG_NAME:
            extended["path"] = body.rstrip(b"\0")
        elif kind == _GNU_LONG_LINK:
            extended["linkpath"] = body.rstrip(b"\0")
        # A global header (git archive writes one with a comment) says nothing about a single member; containerd skips it too.

    def _member(self, block: bytes, extended: Mapping[str, bytes]) -> Member:
        kind = block[156:157]
        path = extended.get("path") or _ustar_path(block)
        if kind == _GNU_SPARSE or any(key.startswith("GNU.sparse.") for key in extended):
            raise SourceError(
                f"{self._subject}: {printable(path)} is stored as a sparse file",
                hint="write the archive without --sparse",
            )
        if kind not in _KNOWN:
            raise SourceError(f"{self._subject}: {printable(path)} is of the unknown kind {kind!r}")
        if kind in _REGULAR:
            kind = FILE
        subject = f"{self._subject}: {printable(path)}"
        size = _extended_number(extended, "size", block[124:136], subject)
        device = _number(block[329:337], "device", subject), _number(block[337:345], "device", subject)
        return Member(
            path=path,
            kind=kind,
            mode=_number(block[100:108], "mode", subject) & 0o7777,
            uid=_extended_number(extended, "uid", block[108:116], subject),
            gid=_extended_number(extended, "gid", block[116:124], subject),
            mtime=_extended_number(extended, "mtime", block[136:148], subject),
            size=size if kind == FILE else 0,
            link=(extended.get("linkpath") or _text(block[157:257])) if kind in (HARDLINK, SYMLINK) else b"",
            device=device,
            xattrs=tuple(
                sorted(
                    (key[len(_XATTR_PREFIX) :], value)
                    for key, value in extended.items()
                    if key.startswith(_XATTR_PREFIX)
                )
            ),
        )


def check_header(block: bytes, subject: str) -> None:
    """SourceError unless a header block that is not all zeros has the checksum it claims."""
    if any(block) and _octal(block[148:156], "checksum", subject) != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        raise SourceError(f"{subject} is not a tar archive, or is damaged: a header's checksum is wrong")


class _ByteStream:
    """Chunks of any size, read in amounts that the reader chooses."""

    def __init__(self, chunks: Iterator[bytes], subject: str) -> None:
        self._chunks, self._subject = chunks, subject
        self._chunk, self._position = b"", 0

    def some(self, limit: int) -> bytes:
        """Between 1 and `limit` bytes. SourceError at the end of the stream."""
        while self._position == len(self._chunk):
            chunk = next(self._chunks, None)
            if chunk is None:
                raise SourceError(f"{self._subject} ends in the middle of a member")
            self._chunk, self._position = chunk, 0
        piece = self._chunk[self._position : self._position + limit]
        self._position += len(piece)
        return piece

    def exactly(self, size: int, *, at_end_ok: bool = False) -> bytes:
        """`size` bytes; with `at_end_ok`, none if the stream has ended before the first."""
        if self._position + size <= len(self._chunk):
            return self.some(size) if size else b""
        parts: list[bytes] = []
        while size:
            try:
                parts.append(self.some(size))
            except SourceError:
                if at_end_ok and not parts:
                    return b""
                raise
            size -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.some(size))


def _pax_records(body: bytes, subject: str) -> dict[str, bytes]:
    """The records of an extended header. A length that lies, or a NUL in a name, makes it damaged."""
    records: dict[str, bytes] = {}
    while body:
        digits, space, _ = body.partition(b" ")
        length = int(digits) if space and digits.isdigit() and len(digits) < 10 else 0
        record = body[len(digits) + 1 : length]
        key, equals, value = record[:-1].partition(b"=")
        if not 0 < length <= len(body) or not equals or record[-1:] != b"\n":
            raise SourceError(f"{subject} is damaged: an extended header is malformed")
        if b"\0" in value and key in (b"path", b"linkpath"):
            raise SourceError(f"{subject} is damaged: a name has a NUL byte")
        records[key.decode("utf-8", "surrogateescape")] = value
        body = body[length:]
    return records


def _extended_number(extended: Mapping[str, bytes], key: str, field: bytes, subject: str) -> int:
    """A number from the extended header if it is there (times may have a fraction, which is cut), else from the ustar field."""
    value = extended.get(key)
    if value is None:
        return _number(field, key, subject)
    whole = value.partition(b".")[0]
    if not whole.removeprefix(b"-").isdigit() or len(whole) > 20:
        raise SourceError(f"{subject} has no valid {key} in its extended header")
    return int(whole)


def _number(field: bytes, name: str, subject: str) -> int:
    """An octal field, or GNU's base-256 for what does not fit."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
        # The bit after the marker is the sign of a two's complement number.
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    return _octal(field, name, subject)


def _octal(field: bytes, name: str, subject: str) -> int:
    digits = field.strip(b" \0") or b"0"
    try:
        return int(digits, 8)
    except ValueError as error:
        raise SourceError(f"{subject} is not a tar archive, or is damaged: bad {name} in a header") from error


def _ustar_path(block: bytes) -> bytes:
    name, prefix = _text(block[:100]), _text(block[345:500])
    # Only POSIX headers have a prefix; GNU's keep times in its place.
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
