"""Items of a plan and what the disk says of them -> entries, in no order yet: what each verb puts into a layer."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence

from ocibuild.errors import SourceError, quoted
from ocibuild.layers.archive_source import extract_entries
from ocibuild.layers.attributes import Resolver, facts_of, resolver
from ocibuild.layers.context import components, file_content
from ocibuild.layers.entries import Entry, FileContent, Rank, encoded, image_path, is_whiteout_name
from ocibuild.layers.survey import Looked, Survey
from ocibuild.layers.walk import Found
from ocibuild.oci.tar_format import DIRECTORY, FILE, HARDLINK, OPAQUE_WHITEOUT, SYMLINK, WHITEOUT_PREFIX, printable
from ocibuild.plan import (
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


def layer_entries(layer: FilesLayer, surveys: Sequence[Survey]) -> Iterator[Entry]:
    """The entries of every item of `layer`. SourceError for what cannot become part of an image."""
    for number, (item, survey) in enumerate(zip(layer.items, surveys, strict=True)):
        yield from _item_entries(item, survey, layer, number)


def _item_entries(item: Item, survey: Survey, layer: FilesLayer, number: int) -> Iterator[Entry]:
    match item, survey:
        case Copy(), Looked():
            return _copy(item, survey, layer)
        case Extract(), FileContent():
            return extract_entries(item, survey, layer, number)
        case Text(), _:
            return _text(item, layer)
        case Symlink(), _:
            return _symlink(item, layer)
        case Hardlink(), _:
            return _hardlink(item, layer)
        case Directory(), _:
            return _directory(item, layer)
        case Remove(), _:
            return _remove(item, layer)
        case Replace(), _:
            return _replace(item, layer)
    raise TypeError(f"no survey for {item!r}")


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


def _copy(item: Copy, looked: Looked, layer: FilesLayer) -> Iterator[Entry]:
    have = resolver(layer, item.attributes)
    source, found = looked
    path, on_disk = image_path(item.to, item.origin), source.path
    if not source.is_directory:
        if item.to.endswith("/"):
            path = _joined(path, components(item.source)[-1])
        yield _disk_entry(path, on_disk, found[0], have, item)
        return
    if path:
        yield _disk_entry(path, on_disk, found[0], have, item)
    for each in found[1:]:
        yield _disk_entry(_joined(path, each.path), on_disk + b"/" + each.path, each, have, item)


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
