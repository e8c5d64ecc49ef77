"""`extract`: the members of a tar as entries, and later, in the order of the archive, their bytes. Nothing is unpacked to disk.

The archive is read twice: for the headers, which decide what the layer looks like, and for the content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ocibuild.errors import IntegrityError, SourceError
from ocibuild.layers.attributes import Facts, Resolver, resolver
from ocibuild.layers.context import file_content, find, opened_file
from ocibuild.layers.entries import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    WHITEOUT_PREFIX,
    ArchiveContent,
    Entry,
    FileContent,
    printable,
)
from ocibuild.layers.patterns import Selection, selection
from ocibuild.layers.tar_reader import Member, TarReader
from ocibuild.oci.compression import unpack_any
from ocibuild.plan import Extract, FilesLayer, Origin

CHUNK = 1 << 20


def find_archive(context: Path, source: str, origin: Origin | None) -> FileContent:
    """The archive `source` of the context. SourceError if there is no such regular file inside."""
    found = find(context, source, origin)
    if not stat.S_ISREG(found.facts.st_mode):
        raise SourceError(f"{source!r} is no file", where=str(origin) if origin else None, hint="name a tar archive")
    return file_content(found.path, found.facts)


def archive_chunks(archive: FileContent) -> Iterator[bytes]:
    """The bytes of the archive as it lies on disk, checked to be the file that was found."""
    with opened_file(archive) as handle:
        while chunk := os.read(handle, CHUNK):
            yield chunk


def read_members(archive: FileContent, subject: str) -> TarReader:
    """The members of an archive, whatever it is packed with."""
    return TarReader(unpack_any(archive_chunks(archive), subject=subject), subject)


def extract_entries(item: Extract, layer: FilesLayer) -> Iterator[Entry]:
    """The entries of an archive below `item.to`; of members with the same path the last one counts, as when unpacking.

    SourceError for names that leave the archive, for whiteouts, and for links to what is not in it.
    """
    archive = find_archive(layer.context, item.source, item.origin)
    chosen = selection(item.include, item.exclude)
    have = resolver(layer, item.attributes, keeps_by_default=True)
    entries: dict[bytes, Entry] = {}
    try:
        for ordinal, member in enumerate(read_members(archive, item.source)):
            path = _inside(member.path, item)
            if path is None or _is_left_out(member, chosen):
                continue
            entries.pop(path, None)
            entries[path] = _entry(member, path, ArchiveContent(archive, ordinal), have, item)
    except IntegrityError as error:
        raise SourceError(error.what, where=_where(item), hint="make the archive again") from error
    if not entries:
        raise SourceError(
            f"nothing in {item.source!r} is left to extract", where=_where(item), hint="look at `include` and `exclude`"
        )
    yield from entries.values()


def _inside(path: bytes, item: Extract) -> bytes | None:
    """The member's path below the target, None for the archive's own root when it is laid onto the image's root."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts or path.startswith(b"/"):
        raise SourceError(
            f"{item.source!r} holds {printable(path)!r}, which leads out of the archive",
            where=_where(item),
            hint="make the archive with relative names",
        )
    for part in parts:
        if part.startswith(WHITEOUT_PREFIX):
            raise SourceError(
                f"{item.source!r} holds the whiteout {printable(path)!r}",
                where=_where(item),
                hint="use the archive as a layer (`archive:`), or `exclude` it and use `remove`",
            )
    return os.fsencode(item.to.strip("/")) + b"/" + b"/".join(parts) if item.to.strip("/") else b"/".join(parts) or None


def _is_left_out(member: Member, chosen: Selection) -> bool:
    if chosen.takes_everything:
        return False
    parts = [part for part in os.fsdecode(member.path).split("/") if part not in ("", ".")]
    name = "/".join(parts) + ("/" if member.kind == DIRECTORY else "")
    return not name or name == "/" or not chosen.includes(name) or chosen.excludes(name)


def _entry(member: Member, path: bytes, content: ArchiveContent, have: Resolver, item: Extract) -> Entry:
    said = Facts(member.mode, member.uid, member.gid, member.mtime, member.xattrs)
    (uid, gid), link = have.owner(said), member.link
    if member.kind == HARDLINK:
        link = _inside(member.link, item) or b""
    mode = have.dir_mode(said) if member.kind == DIRECTORY else have.file_mode(said)
    return Entry(
        path=path.rstrip(b"/"),
        kind=member.kind,
        mode=0o777 if member.kind == SYMLINK else mode,
        uid=uid,
        gid=gid,
        mtime=have.mtime(said),
        size=member.size,
        link=link,
        content=content if member.kind == FILE else b"",
        xattrs=have.xattrs(said),
        device=member.device,
        origin=item.origin,
    )


def _where(item: Extract) -> str | None:
    return str(item.origin) if item.origin else None
