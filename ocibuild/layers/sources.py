"""Items of a plan -> entries, in no order yet: what each verb puts into a layer."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ocibuild.errors import SourceError
from ocibuild.layers.archive_source import extract_entries
from ocibuild.layers.attributes import NEUTRAL, Resolver, facts_of, resolver
from ocibuild.layers.context import Source, file_content, find
from ocibuild.layers.entries import (
    DIRECTORY,
    FILE,
    HARDLINK,
    OPAQUE_WHITEOUT,
    SYMLINK,
    WHITEOUT_PREFIX,
    Entry,
    Rank,
    printable,
)
from ocibuild.layers.patterns import selection
from ocibuild.layers.walk import walk
from ocibuild.plan import (
    KEEP,
    Attributes,
    Copy,
    Directory,
    Extract,
    FilesLayer,
    Hardlink,
    Item,
    Origin,
    Remove,
    Replace,
    Symlink,
    Text,
)

_KINDS = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def layer_entries(layer: FilesLayer) -> Iterator[Entry]:
    """The entries of every item of `layer`. SourceError for what cannot become part of an image."""
    for item in layer.items:
        yield from item_entries(item, layer)


def item_entries(item: Item, layer: FilesLayer) -> Iterator[Entry]:
    """The entries that one item gives."""
    match item:
        case Copy():
            return _copy(item, layer)
        case Text():
            return _text(item, layer)
        case Symlink():
            return _symlink(item, layer)
        case Hardlink():
            return _hardlink(item, layer)
        case Directory():
            return iter([directory_entry(item, layer)])
        case Extract():
            return extract_entries(item, layer)
        case Remove():
            return _remove(item, layer)
        case Replace():
            return _replace(item, layer)


def image_path(path: str) -> bytes:
    """An absolute path of the plan as entries have it."""
    return os.fsencode(path.strip("/"))


def _text(item: Text, layer: FilesLayer) -> Iterator[Entry]:
    have = resolver(layer, item.attributes)
    yield _entry(
        item.to, FILE, have.file_mode(NEUTRAL), have, item.origin, size=len(item.content), content=item.content
    )


def _symlink(item: Symlink, layer: FilesLayer) -> Iterator[Entry]:
    have = resolver(layer, item.attributes)
    yield _entry(item.to, SYMLINK, 0o777, have, item.origin, link=os.fsencode(item.target))


def _hardlink(item: Hardlink, layer: FilesLayer) -> Iterator[Entry]:
    # Its attributes are those of its target: `arrange` takes them over.
    have = resolver(layer, Attributes())
    yield _entry(item.to, HARDLINK, 0, have, item.origin, link=image_path(item.target))


def directory_entry(item: Directory, layer: FilesLayer) -> Entry:
    """The entry of a declared directory."""
    have = resolver(layer, item.attributes)
    return _entry(item.to, DIRECTORY, have.dir_mode(NEUTRAL), have, item.origin)


def _remove(item: Remove, layer: FilesLayer) -> Iterator[Entry]:
    parent, _, name = image_path(item.path).rpartition(b"/")
    yield _whiteout(parent, WHITEOUT_PREFIX + name, layer, item.origin)


def _replace(item: Replace, layer: FilesLayer) -> Iterator[Entry]:
    yield directory_entry(Directory(item.path, item.attributes, item.origin), layer)
    yield _whiteout(image_path(item.path), OPAQUE_WHITEOUT, layer, item.origin)


def _copy(item: Copy, layer: FilesLayer) -> Iterator[Entry]:
    source = find(layer.context, item.source, item.origin)
    have = resolver(layer, item.attributes)
    if stat.S_ISDIR(source.facts.st_mode):
        yield from _copy_tree(item, source, have)
        return
    if item.include or item.exclude:
        raise SourceError(
            f"{item.source!r} is a file, and a file has nothing to include or exclude",
            where=_where(item),
            hint="name its directory in `copy`, or drop the patterns",
        )
    name = os.path.basename(item.source) if item.to.endswith("/") else ""
    yield _disk_entry(image_path(item.to + name), source.path, source.facts, have, item)


def _copy_tree(item: Copy, source: Source, have: Resolver) -> Iterator[Entry]:
    if item.mode is not None:
        raise SourceError(
            f"{item.source!r} is a directory, and `mode` is for a single file",
            where=_where(item),
            hint="use `file_mode` and `dir_mode`",
        )
    found = walk(source, selection(item.include, item.exclude))
    if item.include and not any(not stat.S_ISDIR(each.facts.st_mode) for each in found):
        raise SourceError(
            f"nothing in {item.source!r} matches {', '.join(map(repr, item.include))}",
            where=_where(item),
            hint="patterns are relative to the copied directory; was the step that makes these files run?",
        )
    base, top = image_path(item.to), source.path
    if base:
        yield _disk_entry(base, top, source.facts, have, item)
    for path, facts in found:
        below = os.fsencode(path)
        yield _disk_entry(base + b"/" + below if base else below, top + b"/" + below, facts, have, item)


def _disk_entry(path: bytes, on_disk: bytes, facts: os.stat_result, have: Resolver, item: Copy) -> Entry:
    """The entry of a file, directory or link of the context."""
    kind = stat.S_IFMT(facts.st_mode)
    if path.rpartition(b"/")[2].startswith(WHITEOUT_PREFIX):
        raise SourceError(
            f"{printable(on_disk)} cannot be in an image: names that begin with `.wh.` mean a removal there",
            where=_where(item),
            hint="rename it or `exclude` it; to remove something of a lower layer, use `remove`",
        )
    said = facts_of(facts, on_disk, have.attributes)
    (uid, gid), mtime, xattrs = have.owner(said), have.mtime(said), have.xattrs(said)
    if kind == stat.S_IFREG:
        mode = item.mode if item.mode is not None else have.file_mode(said)
        links = (facts.st_dev, facts.st_ino) if facts.st_nlink > 1 else None
        content = file_content(on_disk, facts)
        return Entry(path, FILE, mode, uid, gid, mtime, facts.st_size, b"", content, xattrs, links, origin=item.origin)
    if kind == stat.S_IFDIR:
        return Entry(path, DIRECTORY, have.dir_mode(said), uid, gid, mtime, xattrs=xattrs, origin=item.origin)
    if kind == stat.S_IFLNK:
        link = _read_link(on_disk, facts, item)
        xattrs = xattrs if have.attributes.xattrs is KEEP else ()  # declared ones are meant for files
        return Entry(path, SYMLINK, 0o777, uid, gid, mtime, link=link, xattrs=xattrs, origin=item.origin)
    raise SourceError(
        f"{printable(on_disk)} is {_KINDS.get(kind, 'no file')}, which cannot be copied into an image",
        where=_where(item),
        hint="`exclude` it; programs make their sockets, FIFOs and devices when they start",
    )


def _read_link(path: bytes, facts: os.stat_result, item: Copy) -> bytes:
    try:
        target = os.readlink(path)
        now = os.lstat(path)
    except OSError as error:
        raise SourceError(f"the link {printable(path)} changed during the build", where=_where(item)) from error
    if (now.st_dev, now.st_ino) != (facts.st_dev, facts.st_ino):
        raise SourceError(f"the link {printable(path)} changed during the build", where=_where(item))
    return target


def _entry(
    to: str,
    kind: bytes,
    mode: int,
    have: Resolver,
    origin: Origin | None,
    *,
    size: int = 0,
    link: bytes = b"",
    content: bytes = b"",
) -> Entry:
    uid, gid = have.owner(NEUTRAL)
    xattrs = have.xattrs(NEUTRAL) if kind != SYMLINK else ()
    mtime = have.mtime(NEUTRAL._replace(mtime=have.created))
    return Entry(
        image_path(to), kind, mode, uid, gid, mtime, size, link, content, xattrs, rank=Rank.DECLARED, origin=origin
    )


def _whiteout(parent: bytes, name: bytes, layer: FilesLayer, origin: Origin | None) -> Entry:
    path = parent + b"/" + name if parent else name
    return Entry(path, FILE, 0o644, 0, 0, layer.created, rank=Rank.DECLARED, origin=origin)


def _where(item: Item) -> str | None:
    return str(item.origin) if item.origin else None
