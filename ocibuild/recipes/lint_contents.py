"""What the layers of a plan would hold, as far as the disk tells without a build. Nothing is built, and little is read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace

from ocibuild.checks.spec_subject import LayerContent, PlacedFile, PlatformContent
from ocibuild.errors import SourceError
from ocibuild.layers.context import opened
from ocibuild.layers.entries import Entry, shown
from ocibuild.layers.found import Found
from ocibuild.layers.sources import layer_entries
from ocibuild.layers.survey import survey_layer
from ocibuild.oci.tar_format import FILE, HARDLINK, SYMLINK
from ocibuild.plan import Extract, FilesLayer, Item, LayerPlan, Plan, Remove, Replace

HEAD = 4096  # bytes of a file that are looked at
_LARGEST_READ = 128 << 10  # a file that is larger is no key
_MOST_READ = 10_000  # files of one plan


class Looker:
    """Looks at the sources of a plan, each layer once, and reads the heads of a bounded number of files."""

    def __init__(self) -> None:
        self._known: dict[LayerPlan, LayerContent] = {}
        self._reads = 0

    def platforms(self, plan: Plan) -> tuple[PlatformContent, ...]:
        """The content of every platform, layer by layer."""
        return tuple(PlatformContent(part, tuple(map(self._content, part.layers))) for part in plan.platforms)

    def _content(self, layer: LayerPlan) -> LayerContent:
        if layer not in self._known:
            self._known[layer] = self._look(layer) if isinstance(layer, FilesLayer) else LayerContent(layer)
        return self._known[layer]

    def _look(self, layer: FilesLayer) -> LayerContent:
        files: list[PlacedFile] = []
        links: set[str] = set()
        complete = True
        for item in layer.items:
            try:
                for entry in _entries(item, layer):
                    if entry.kind in (FILE, HARDLINK) and not entry.is_whiteout:
                        files.append(self._file(entry))
                    elif entry.kind == SYMLINK:
                        links.add(shown(entry.path))
            except SourceError:  # it may be made by a step that comes before the build
                complete = False
            complete = complete and not isinstance(item, Extract)
        removed = tuple(
            (item.path, isinstance(item, Replace), item.origin)
            for item in layer.items
            if isinstance(item, Remove | Replace)
        )
        return LayerContent(layer, tuple(files), frozenset(links), removed, complete)

    def _file(self, entry: Entry) -> PlacedFile:
        # A hard link has the mode of the file that it is another name of.
        is_executable = entry.kind == HARDLINK or bool(entry.mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
        return PlacedFile(shown(entry.path), entry.size, is_executable, entry.origin, self._head(entry))

    def _head(self, entry: Entry) -> bytes:
        if isinstance(entry.content, bytes):
            return entry.content[:HEAD]
        if not isinstance(entry.content, Found) or not 0 < entry.size <= _LARGEST_READ or self._reads >= _MOST_READ:
            return b""
        self._reads += 1
        try:
            # The walk led here without following a link, and `opened` follows none either.
            with opened(entry.content.path) as handle, open(handle, "rb", closefd=False) as file:
                return file.read(HEAD)
        except OSError:
            return b""


def _entries(item: Item, layer: FilesLayer) -> Iterator[Entry]:
    if isinstance(item, Extract):
        return iter(())
    alone = replace(layer, items=(item,))
    return layer_entries(alone, survey_layer(alone))
