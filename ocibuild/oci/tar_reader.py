"""A tar read as a stream, member by member: ustar, pax and GNU's extensions for long names and large numbers.

Nothing is ever written to disk from it (CVE-2025-4517 and its kin: the safe way to unpack an untrusted archive is not to). Sparse
members are refused: image-spec layer.md advises against them, and their holes would have to be filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ocibuild.errors import TarDefect, TarError
from ocibuild.oci.tar_fields import (
    cut_short,
    damaged,
    extended_number,
    member_device,
    member_kind,
    member_xattrs,
    not_negative,
    number,
    octal,
    pax_records,
    size_of,
    text_of,
    ustar_path,
)
from ocibuild.oci.tar_format import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    FILE,
    HARDLINK,
    SYMLINK,
    Xattrs,
    checksum,
    padding,
    printable,
)

_PAX, _PAX_GLOBAL, _GNU_LONG_NAME, _GNU_LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENSION_LIMIT = 1 << 20  # what the pax headers and long names of one member may have together
_ZEROS = bytes(BLOCK)


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
            raise cut_short(self._subject, TarDefect.NO_END)
        block = self._stream.exactly(BLOCK)
        # Where the checksum stands, blanks are summed up.
        if block != _ZEROS and octal(block[148:156], self._subject) != checksum(block[:148] + b" " * 8 + block[156:]):
            raise damaged(self._subject, "the checksum of a header is wrong")
        return block

    def _extend(self, extended: dict[str, bytes], kind: bytes, block: bytes) -> None:
        size = size_of(block[124:136], self._subject)
        self._extensions += size
        if self._extensions > _EXTENSION_LIMIT:
            raise TarError(
                f"{self._subject} has extended headers of {self._extensions} bytes; at most {_EXTENSION_LIMIT} are read",
                defect=TarDefect.DAMAGED,
                hint="make the archive with shorter names and fewer attributes",
            )
        body = self._stream.exactly(size + padding(size))[:size]
        if kind == _PAX:
            extended.update(pax_records(body, self._subject))
        elif kind == _GNU_LONG_NAME:
            extended["path"] = text_of(body)
        elif kind == _GNU_LONG_LINK:
            extended["linkpath"] = text_of(body)
        # A global header (git archive writes one with a comment) says nothing about a single member; containerd skips it too.

    def _member(self, block: bytes, extended: Mapping[str, bytes]) -> Member:
        path = extended.get("path") or ustar_path(block)
        subject = f"{self._subject}: {printable(path)}"
        kind = member_kind(block[156:157], path, extended, subject)
        return Member(
            path=path,
            kind=kind,
            mode=number(block[100:108], subject) & 0o7777,
            uid=not_negative(extended_number(extended, "uid", block[108:116], subject), subject),
            gid=not_negative(extended_number(extended, "gid", block[116:124], subject), subject),
            mtime=extended_number(extended, "mtime", block[136:148], subject),
            # Of all other kinds no content follows, whatever they say.
            size=not_negative(extended_number(extended, "size", block[124:136], subject), subject)
            if kind == FILE
            else 0,
            link=(extended.get("linkpath") or text_of(block[157:257])) if kind in (HARDLINK, SYMLINK) else b"",
            device=member_device(block, subject) if kind in (CHARACTER_DEVICE, BLOCK_DEVICE) else (0, 0),
            xattrs=member_xattrs(extended) if extended else (),
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
            raise cut_short(self._subject, TarDefect.CUT_SHORT)
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
