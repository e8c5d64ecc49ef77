"""`extract`: the members of a tar as entries, and later, in the order of the archive, their bytes. Nothing is unpacked to disk.

The archive is read twice: for the headers, which decide what the layer looks like, and for the content.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocibuild.errors import IntegrityError, SourceError
from ocibuild.layers.attributes import Facts, resolver
from ocibuild.layers.context import find, read_file
from ocibuild.layers.entries import ArchiveContent, Content, Entry, image_path, is_whiteout_name
from ocibuild.layers.found import Found, found_at
from ocibuild.layers.patterns import Standing, selection
from ocibuild.oci.compression import unpack_any
from ocibuild.oci.tar_format import DIRECTORY, FILE, HARDLINK, SYMLINK, printable
from ocibuild.oci.tar_reader import Member, TarReader
from ocibuild.plan import Extract, FilesLayer, Origin

CHUNK = 1 << 20
_PATH_LIMIT = 4095  # of Linux; without one, an archive could name more directories than memory holds


def find_archive(context: Path, source: str, origin: Origin | None) -> Found:
    """The archive `source` of the context. SourceError if there is no such regular file inside."""
    found = find(context, source, origin)
    if not stat.S_ISREG(found.facts.st_mode):
        hint = "name a tar archive, or use `copy` for a directory"
        raise SourceError(f"{source!r} is no file", where=str(origin) if origin else None, hint=hint)
    return found_at(found.path, found.facts)


@contextmanager
def placed(origin: Origin | None) -> Iterator[None]:
    """Turns what is wrong with an archive into a SourceError that says where in the spec it is named."""
    try:
        yield
    except (IntegrityError, SourceError) as error:
        where = error.where or (str(origin) if origin else None)
        raise SourceError(error.what, where=where, hint=error.hint or "make the archive again") from error


def read_members(archive: Found, subject: str) -> TarReader:
    """The members of an archive, whatever it is packed with."""
    return TarReader(unpack_any(read_file(archive, CHUNK), subject=subject), subject)


def extract_entries(item: Extract, archive: Found, layer: FilesLayer, number: int) -> Iterator[Entry]:
    """The entries of an archive below `item.to`; of members with the same path the last one counts, as when unpacking.

    SourceError for names that leave the archive, for whiteouts, and for links to what does not precede them.
    """
    extraction = _Extraction(item, layer, number, archive)
    with placed(item.origin):
        for ordinal, member in enumerate(read_members(archive, repr(item.source))):
            extraction.add(member, ordinal)
        yield from extraction.entries()


class _Extraction:
    """What one item takes out of its archive."""

    def __init__(self, item: Extract, layer: FilesLayer, number: int, archive: Found) -> None:
        self._subject, self._number, self._archive, self._origin = repr(item.source), number, archive, item.origin
        self._base = image_path(item.to, item.origin)
        self._chosen = selection(item.include, item.exclude)
        self._have = resolver(layer, item.attributes, keeps_by_default=True)
        self._members: dict[bytes, Entry] = {}  # by their names in the archive
        self._taken: set[bytes] = set()
        self._standings: dict[bytes, Standing] = {b"": self._chosen.start}  # of directories, by their names

    def add(self, member: Member, ordinal: int) -> None:
        """Member number `ordinal` of the archive."""
        name = self._name(member.path)
        self._members[name] = self._entry(member, name, ordinal)
        if self._standing(name, is_directory=member.kind == DIRECTORY).is_taken:
            self._check_name(name)
            self._taken.add(name)

    def entries(self) -> Iterator[Entry]:
        """The entries of what was taken, with the directories that hold it. SourceError if there are none."""
        kept = self._taken
        if self._chosen.only_included:
            kept = kept | {b""} | {parent for name in kept for parent in _parents(name)}
        found = [entry for name, entry in self._members.items() if name in kept and entry.path]
        if not self._taken or not found:
            raise SourceError(
                f"nothing in {self._subject} is left to extract",
                hint="look at `include` and `exclude`; patterns are relative to the archive's own root",
            )
        return iter(found)

    def _name(self, path: bytes) -> bytes:
        """A path of the archive, normalised; `b""` for its root."""
        parts = [part for part in path.split(b"/") if part not in (b"", b".")]
        if len(path) > _PATH_LIMIT:
            raise SourceError(
                f"{self._subject} holds a name of {len(path)} bytes, and none may have more than {_PATH_LIMIT}",
                hint="make the archive with shorter names",
            )
        if b".." in parts or path.startswith(b"/"):
            raise SourceError(
                f"{self._subject} holds {printable(path)!r}, which leads out of the archive",
                hint="make the archive with relative names",
            )
        return b"/".join(parts)

    def _standing(self, name: bytes, *, is_directory: bool) -> Standing:
        """How a member stands, which the directories that hold it have a say in, whether the archive has them or not."""
        if self._chosen.takes_everything:
            return self._chosen.start
        for path in (*reversed([*_parents(name)]), *((name,) if is_directory else ())):
            if path not in self._standings:
                parent = self._standings[path.rpartition(b"/")[0]]
                self._standings[path] = self._chosen.standing(path, parent, is_directory=True)
        if is_directory:
            return self._standings[name]
        return self._chosen.standing(name, self._standings[name.rpartition(b"/")[0]], is_directory=False)

    def _check_name(self, name: bytes) -> None:
        if any(is_whiteout_name(part) for part in name.split(b"/")):
            raise SourceError(
                f"{self._subject} holds the whiteout {printable(name)!r}",
                hint="use the archive as a layer (`archive:`), or `exclude` it and use `remove`",
            )

    def _entry(self, member: Member, name: bytes, ordinal: int) -> Entry:
        path = b"/".join(part for part in (self._base, name) if part)
        if member.kind == HARDLINK:
            return self._target(member)._replace(path=path)
        said, have = Facts(member.mode, member.uid, member.gid, member.mtime, member.xattrs), self._have
        (uid, gid), xattrs, links = have.owner(said), have.xattrs(said), None
        mode = have.file_mode(said)
        content: Content = b""
        if member.kind == FILE:
            content = ArchiveContent(self._archive, self._number, ordinal)
            links = (self._number, ordinal, "archive")
        elif member.kind == DIRECTORY:
            mode = have.dir_mode(said, path)
        elif member.kind == SYMLINK:
            mode, xattrs = 0o777, have.link_xattrs(said)
        return Entry(
            path, member.kind, mode, uid, gid, have.mtime(said), member.size, member.link, content, xattrs, links,
            member.device, origin=self._origin,
        )  # fmt: skip

    def _target(self, member: Member) -> Entry:
        """What a hard link is another name for: what its target is at this point, whatever comes later in the archive."""
        target = self._members.get(self._name(member.link))
        if target is None or target.kind == DIRECTORY:
            raise SourceError(
                f"{self._subject} holds the hard link {printable(member.path)!r} to {printable(member.link)!r}, "
                f"which {'is a directory' if target else 'does not precede it'}",
                hint="make the archive again, with what it links to",
            )
        return target


def _parents(path: bytes) -> Iterator[bytes]:
    """The directories that `path` is in, nearest first."""
    while path := path.rpartition(b"/")[0]:
        yield path
