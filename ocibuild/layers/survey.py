"""What the disk says of a layer's sources before anything is read: the facts from which all else follows, and its fingerprint.

An unchanged fingerprint means unchanged sources, so that the layer need not be made again. As git does with its index, it does not
believe files that changed while it was taken, or just before: the clock of a file system is coarse, and a second change
within one tick would not show.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from ocibuild.errors import SourceError
from ocibuild.layers.archive_source import find_archive
from ocibuild.layers.context import Source, find
from ocibuild.layers.found import Found
from ocibuild.layers.patterns import selection
from ocibuild.layers.tar import WRITER
from ocibuild.layers.walk import look_at, walk
from ocibuild.plan import KEEP, Copy, Extract, FilesLayer, Item

_PATH, _FACTS, _NEWEST, _LINK = map(attrgetter, ("path", "facts", "newest_ns", "link"))
_RACY = 2_000_000_000  # nanoseconds; FAT has the coarsest clock that is in use


class Looked(NamedTuple):
    """The source of a `copy`, and what was found there: first itself, then (of a directory) its content."""

    source: Source
    found: list[Found]


Survey = Looked | Found | None


class Fingerprint(NamedTuple):
    """`value` stands for the plan and all facts of its sources; it is believed later only if `is_settled`."""

    value: str
    is_settled: bool


def survey_layer(layer: FilesLayer) -> list[Survey]:
    """Look at the sources of every item, each tree once. SourceError for what is not there or cannot be looked at."""
    return [_survey(item, layer) for item in layer.items]


def _survey(item: Item, layer: FilesLayer) -> Survey:
    match item:
        case Copy():
            return _look(item, layer)
        case Extract():
            return find_archive(layer.context, item.source, item.origin)
        case _:
            return None


def _look(item: Copy, layer: FilesLayer) -> Looked:
    source = find(layer.context, item.source, item.origin)
    keeps_xattrs = item.attributes.xattrs is KEEP
    _check_fits(item, source)
    if not source.is_directory:
        return Looked(source, [look_at(source, item.origin, keeps_xattrs=keeps_xattrs)])
    found = walk(source, selection(item.include, item.exclude), item.origin, keeps_xattrs=keeps_xattrs)
    if item.include and len(found) == 1:
        # A wildcard in `copy` is a pattern that is tied to the directory before it.
        patterns = (pattern.removeprefix("/") for pattern in item.include)
        raise SourceError(
            f"nothing in {item.source!r} matches {', '.join(map(repr, patterns))}",
            where=_where(item),
            hint="patterns are relative to the copied directory; was the step that makes these files run?",
        )
    return Looked(source, found)


def _check_fits(item: Copy, source: Source) -> None:
    if source.is_directory and item.mode is not None:
        raise SourceError(
            f"{item.source!r} is a directory, and `mode` is for a single file",
            where=_where(item),
            hint="use `file_mode` and `dir_mode`",
        )
    if not source.is_directory and (item.include or item.exclude):
        raise SourceError(
            f"{item.source!r} is a file, and a file has nothing to include or exclude",
            where=_where(item),
            hint="name its directory in `copy`, or drop the patterns",
        )


def fingerprint(layer: FilesLayer, surveys: Iterable[Survey], began_ns: int) -> Fingerprint:
    """The fingerprint of a layer whose survey began at `began_ns` (of the clock that files have)."""
    hasher = hashlib.sha256(layer_identity(layer))
    newest_ns = 0
    for found in map(_found, surveys):
        for facts in _facts(found):
            hasher.update(facts)
        newest_ns = max(newest_ns, max(map(_NEWEST, found), default=0))
    return Fingerprint(hasher.hexdigest(), is_settled(newest_ns, began_ns))


def is_settled(newest_ns: int, began_ns: int) -> bool:
    """Whether files that changed at `newest_ns` and were looked at from `began_ns` on would show another change."""
    return newest_ns < began_ns - _RACY


def layer_identity(layer: FilesLayer) -> bytes:
    """All that decides a layer besides its sources: the plan, the writer, the compressor and its library."""
    return repr((layer, WRITER, layer.compressor.fingerprint)).encode("utf-8", "surrogateescape")


def _found(survey: Survey) -> Sequence[Found]:
    match survey:
        case Looked():
            return survey.found
        case Found():
            return (survey,)
    return ()


def _facts(found: Sequence[Found]) -> Iterator[bytes]:
    """All facts of what was found, as bytes. Of an unchanged tree this and the walk are all that a build does: column by column, it
    takes a third of the time."""
    yield struct.pack("Q", len(found))
    yield b"\0".join(map(_PATH, found))
    yield b"".join(map(_FACTS, found))  # each of the same size
    yield b"\0".join(map(_LINK, found))
    yield repr([(each.path, each.xattrs) for each in found if each.xattrs]).encode()


def _where(item: Item) -> str | None:
    return str(item.origin) if item.origin else None
