"""Items of a plan and what the disk says of them -> entries, in no order yet: what each verb puts into a layer."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from itertools import starmap

from ocibuild.errors import SourceError, quoted
from ocibuild.layers.archive_source import extract_entries
from ocibuild.layers.attributes import Facts, Resolver, resolver
from ocibuild.layers.context import components
from ocibuild.layers.entries import Entry, Rank, encoded, image_path, is_whiteout_name
from ocibuild.layers.found import ACCESS, ACCESS_AND_MTIME, IDENTITY, Found, unpacked
from ocibuild.layers.survey import Looked, Survey
from ocibuild.layers.tar import Frame, Member, frame_of, plain_header
from ocibuild.oci.tar_format import (
    DIRECTORY,
    FILE,
    HARDLINK,
    OPAQUE_WHITEOUT,
    SYMLINK,
    WHITEOUT_PREFIX,
    Xattrs,
    printable,
)
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


def layer_entries(layer: FilesLayer, surveys: Sequence[Survey]) -> Iterator[Entry]:
    """The entries of every item of `layer`. SourceError for what cannot become part of an image."""
    for number, (item, survey) in enumerate(zip(layer.items, surveys, strict=True)):
        yield from _item_entries(item, survey, layer, number)


def _item_entries(item: Item, survey: Survey, layer: FilesLayer, number: int) -> Iterator[Entry]:
    match item, survey:
        case Copy(), Looked():
            return _copy(item, survey, layer)
        case Extract(), Found():
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
    copied = Copied(item, looked, layer)
    return starmap(copied.entry, copied.placed())


class Copied:
    """Makes entries of what one `copy` found on disk. `path` is where its source comes to in the image.

    Nearly all files of a tree say the same of mode and owner, so what the spec makes of that is looked up the next time.
    """

    def __init__(self, item: Copy, looked: Looked, layer: FilesLayer) -> None:
        self.path = image_path(item.to, item.origin)
        if item.to.endswith("/") and not looked.source.is_directory:
            self.path = _joined(self.path, components(item.source)[-1])
        self._item, self._looked = item, looked
        self._have = resolver(layer, item.attributes)
        self._deciding = ACCESS_AND_MTIME if item.attributes.mtime is KEEP else ACCESS
        self._frames: dict[bytes, Frame] = {}
        self._settled: dict[object, tuple[int, int, int, int, Xattrs]] = {}

    def placed(self) -> Iterator[tuple[bytes, Found]]:
        """All that was found, each with its path in the image; without the image's root."""
        source, found = self._looked
        if self.path:
            yield self.path, found[0]
        above, start = _joined(self.path, b""), len(source.inside)
        for each in found[1:]:
            yield above + each.path[start:], each

    def entry(self, path: bytes, found: Found) -> Entry:
        """The entry of a file, directory or link of the context."""
        on_disk, facts, mode, size, names, _, link, xattrs = found
        if WHITEOUT_PREFIX in path:
            self._check_name(path, on_disk)
        key = facts[self._deciding], xattrs
        file_mode, uid, gid, mtime, xattrs = self._settled.get(key) or self._settle(key, _said(found))
        origin = self._item.origin
        if stat.S_ISREG(mode):
            links = facts[IDENTITY] if names > 1 else None
            return Entry(path, FILE, file_mode, uid, gid, mtime, size, b"", found, xattrs, links, origin=origin)
        if stat.S_ISDIR(mode):
            dir_mode = self._have.dir_mode(_said(found), path)
            return Entry(path, DIRECTORY, dir_mode, uid, gid, mtime, xattrs=xattrs, origin=origin)
        if stat.S_ISLNK(mode):
            return Entry(path, SYMLINK, 0o777, uid, gid, mtime, link=link, origin=origin)
        raise SourceError(
            f"{printable(on_disk)} is {_KINDS.get(stat.S_IFMT(mode), 'no file')}, which cannot be copied into an image",
            where=_where(self._item),
            hint="`exclude` it; programs make their sockets, FIFOs and devices when they start",
        )

    def plain_member(self, path: bytes, found: Found) -> Member | None:
        """What `member` makes of the entry of a file, in a third of the time, if it is one of the many that need no care."""
        _, facts, mode, size, names, _, _, xattrs = found
        if names > 1 or xattrs or not stat.S_ISREG(mode) or WHITEOUT_PREFIX in path:
            return None
        frame = self._frames.get(facts[self._deciding]) or self._frame(path, found)
        block = plain_header(path, size, frame) if frame is not None else None
        return (path, block, size, found) if block is not None else None

    def _frame(self, path: bytes, found: Found) -> Frame | None:
        """The frame of this file and of all that say the same; None if they get xattrs."""
        entry = self.entry(path, found)
        if entry.xattrs:
            return None
        frame = frame_of(FILE, entry.mode, entry.uid, entry.gid, entry.mtime)
        self._frames[found.facts[self._deciding]] = frame
        return frame

    def _settle(self, key: object, said: Facts) -> tuple[int, int, int, int, Xattrs]:
        have, item = self._have, self._item
        mode = item.mode if item.mode is not None else have.file_mode(said)
        self._settled[key] = settled = (mode, *have.owner(said), have.mtime(said), have.xattrs(said))
        return settled

    def _check_name(self, path: bytes, on_disk: bytes) -> None:
        if is_whiteout_name(path.rpartition(b"/")[2]):
            raise SourceError(
                f"{printable(on_disk)} cannot be in an image: names that begin with `.wh.` mean a removal there",
                where=_where(self._item),
                hint="rename it or `exclude` it; to remove something of a lower layer, use `remove`",
            )


def _said(found: Found) -> Facts:
    facts = unpacked(found.facts)
    return Facts(facts.mode, facts.uid, facts.gid, facts.mtime, found.xattrs)


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
