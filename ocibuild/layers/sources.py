"""Items of a plan -> entries, in no order yet: what each verb puts into a layer."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from ocibuild.errors import SourceError, quoted
from ocibuild.layers.archive_source import extract_entries
from ocibuild.layers.attributes import Resolver, facts_of, resolver
from ocibuild.layers.context import Source, components, file_content, find
from ocibuild.layers.entries import (
    DIRECTORY,
    FILE,
    HARDLINK,
    OPAQUE_WHITEOUT,
    SYMLINK,
    WHITEOUT_PREFIX,
    Entry,
    Rank,
    encoded,
    image_path,
    is_whiteout_name,
    printable,
)
from ocibuild.layers.patterns import selection
from ocibuild.layers.walk import Found, look_at, walk
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
    for number, item in enumerate(layer.items):
        yield from item_entries(item, layer, number)


def item_entries(item: Item, layer: FilesLayer, number: int) -> Iterator[Entry]:
    """The entries that item `number` gives."""
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
            return _directory(item, layer)
        case Extract():
            return extract_entries(item, layer, number)
        case Remove():
            return _remove(item, layer)
        case Replace():
            return _replace(item, layer)


def _text(item: Text, layer: FilesLayer) -> Iterator[Entry]:
    have = resolver(layer, item.attributes)
    mode = have.file_mode(have.neutral_file)
    yield _entry(
        _below_root(item.to, item), FILE, mode, have, item.origin, size=len(item.content), content=item.content
    )


def _symlink(item: Symlink, layer: FilesLayer) -> Iterator[Entry]:
    have = resolver(layer, item.attributes)
    yield _entry(_below_root(item.to, item), SYMLINK, 0o777, have, item.origin, link=encoded(item.target))


def _hardlink(item: Hardlink, layer: FilesLayer) -> Iterator[Entry]:
    # Its attributes are those of its target: `arrange` takes them over.
    have = resolver(layer, Attributes())
    target = image_path(item.target, item.origin)
    yield _entry(_below_root(item.to, item), HARDLINK, 0, have, item.origin, link=target)


def _directory(item: Directory, layer: FilesLayer) -> Iterator[Entry]:
    entry = directory_entry(item, layer)
    # Readers make the root themselves: containerd skips an entry for it.
    if entry.path:
        yield entry


def directory_entry(item: Directory, layer: FilesLayer) -> Entry:
    """The entry of a declared directory."""
    have = resolver(layer, item.attributes)
    path = image_path(item.to, item.origin)
    return _entry(path, DIRECTORY, have.dir_mode(have.neutral_directory(path), path), have, item.origin)


def _remove(item: Remove, layer: FilesLayer) -> Iterator[Entry]:
    parent, _, name = _below_root(item.path, item).rpartition(b"/")
    yield _whiteout(parent, WHITEOUT_PREFIX + name, layer, item.origin)


def _replace(item: Replace, layer: FilesLayer) -> Iterator[Entry]:
    yield from _directory(Directory(item.path, item.attributes, item.origin), layer)
    yield _whiteout(image_path(item.path, item.origin), OPAQUE_WHITEOUT, layer, item.origin)


def _copy(item: Copy, layer: FilesLayer) -> Iterator[Entry]:
    source = find(layer.context, item.source, item.origin)
    have = resolver(layer, item.attributes)
    if source.is_directory:
        yield from _copy_tree(item, source, have)
        return
    if item.include or item.exclude:
        raise SourceError(
            f"{item.source!r} is a file, and a file has nothing to include or exclude",
            where=_where(item),
            hint="name its directory in `copy`, or drop the patterns",
        )
    path = image_path(item.to, item.origin)
    if item.to.endswith("/"):
        path = _joined(path, components(item.source)[-1])
    found = look_at(source, item.origin, keeps_xattrs=item.attributes.xattrs is KEEP)
    yield _disk_entry(path, source.path, found, have, item)


def _copy_tree(item: Copy, source: Source, have: Resolver) -> Iterator[Entry]:
    if item.mode is not None:
        raise SourceError(
            f"{item.source!r} is a directory, and `mode` is for a single file",
            where=_where(item),
            hint="use `file_mode` and `dir_mode`",
        )
    chosen = selection(item.include, item.exclude)
    top, *found = walk(source, chosen, item.origin, keeps_xattrs=item.attributes.xattrs is KEEP)
    if item.include and not found:
        raise SourceError(
            f"nothing in {item.source!r} matches {', '.join(map(repr, item.include))}",
            where=_where(item),
            hint="patterns are relative to the copied directory; was the step that makes these files run?",
        )
    base, on_disk = image_path(item.to, item.origin), source.path
    if base:
        yield _disk_entry(base, on_disk, top, have, item)
    for each in found:
        yield _disk_entry(_joined(base, each.path), on_disk + b"/" + each.path, each, have, item)


def _disk_entry(path: bytes, on_disk: bytes, found: Found, have: Resolver, item: Copy) -> Entry:
    """The entry of a file, directory or link of the context."""
    facts = found.facts
    kind = stat.S_IFMT(facts.st_mode)
    if is_whiteout_name(path.rpartition(b"/")[2]):
        raise SourceError(
            f"{printable(on_disk)} cannot be in an image: names that begin with `.wh.` mean a removal there",
            where=_where(item),
            hint="rename it or `exclude` it; to remove something of a lower layer, use `remove`",
        )
    said = facts_of(facts, found.xattrs)
    (uid, gid), mtime = have.owner(said), have.mtime(said)
    if kind == stat.S_IFREG:
        mode = item.mode if item.mode is not None else have.file_mode(said)
        links = (facts.st_dev, facts.st_ino) if facts.st_nlink > 1 else None
        content, xattrs = file_content(on_disk, facts), have.xattrs(said)
        return Entry(path, FILE, mode, uid, gid, mtime, facts.st_size, b"", content, xattrs, links, origin=item.origin)
    if kind == stat.S_IFDIR:
        mode = have.dir_mode(said, path)
        return Entry(path, DIRECTORY, mode, uid, gid, mtime, xattrs=have.xattrs(said), origin=item.origin)
    if kind == stat.S_IFLNK:
        return Entry(path, SYMLINK, 0o777, uid, gid, mtime, link=found.link, origin=item.origin)
    raise SourceError(
        f"{printable(on_disk)} is {_KINDS.get(kind, 'no file')}, which cannot be copied into an image",
        where=_where(item),
        hint="`exclude` it; programs make their sockets, FIFOs and devices when they start",
    )


def _entry(
    path: bytes,
    kind: bytes,
    mode: int,
    have: Resolver,
    origin: Origin | None,
    *,
    size: int = 0,
    link: bytes = b"",
    content: bytes = b"",
) -> Entry:
    said = have.neutral_file
    uid, gid = have.owner(said)
    xattrs = have.xattrs(said) if kind != SYMLINK else ()
    return Entry(
        path, kind, mode, uid, gid, have.mtime(said), size, link, content, xattrs, rank=Rank.DECLARED, origin=origin
    )


def _whiteout(parent: bytes, name: bytes, layer: FilesLayer, origin: Origin | None) -> Entry:
    return Entry(_joined(parent, name), FILE, 0o644, 0, 0, layer.created, rank=Rank.DECLARED, origin=origin)


def _joined(parent: bytes, name: bytes) -> bytes:
    return parent + b"/" + name if parent else name


def _below_root(path: str, item: Item) -> bytes:
    """`path`, where only a name will do."""
    found = image_path(path, item.origin)
    if not found:
        raise SourceError(
            f"{quoted(path)} is the image's root, which is always there, and a directory",
            where=_where(item),
            hint="write the path with the name of what is meant",
        )
    return found


def _where(item: Item) -> str | None:
    return str(item.origin) if item.origin else None
