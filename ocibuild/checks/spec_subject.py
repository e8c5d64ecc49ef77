"""A spec as the rules see it: its plan, where everything is written, and what its layers would hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ocibuild.checks.features import SHOWN, Environment, Feature, LayerCount, ShownText
from ocibuild.checks.labels import LABELS, PREFIX
from ocibuild.checks.names import ImageName
from ocibuild.checks.profiles import Profile
from ocibuild.findings import Place
from ocibuild.oci.media_type import Compression
from ocibuild.oci.platform import Platform
from ocibuild.plan import ArchiveLayer, FilesLayer, ForeignLayer, LayerPlan, Origin, Plan, PlatformPlan

Path = tuple[str | int, ...]


class SpecText(Protocol):
    """Where the values of a spec are written; paths are the keys and indexes that lead to them."""

    def has(self, path: Path) -> bool:
        """Whether anything is written there."""

    def keys(self, path: Path) -> tuple[str, ...]:
        """The keys of the map there."""

    def texts(self, path: Path) -> tuple[str, ...]:
        """The text that is written there, or those of a list."""

    def place(self, path: Path) -> Place:
        """Where the value is written, or the innermost one around it."""

    def key_place(self, path: Path) -> Place:
        """Where its key is written."""

    def place_at(self, origin: Origin) -> Place:
        """A place that the plan remembers."""

    def is_open(self, path: Path) -> bool:
        """Whether the value is not known before a build."""


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """A file that a layer would hold. `head` are its first bytes, where they were worth reading; `origin` is its item's."""

    path: str
    size: int
    is_executable: bool
    origin: Origin | None
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class LayerContent:
    """What a layer would hold: files, `links` (symbolic ones), and `removed` paths, with whether only their content goes.

    A layer is `complete` if nothing else can be in it: all of its sources are there, and none is an archive.
    """

    plan: LayerPlan
    files: tuple[PlacedFile, ...] = ()
    links: frozenset[str] = frozenset()
    removed: tuple[tuple[str, bool, Origin | None], ...] = ()
    complete: bool = False

    @property
    def size(self) -> int:
        """In bytes, unpacked, as far as it is known."""
        return self.plan.size if isinstance(self.plan, ForeignLayer) else sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class PlatformContent:
    """The image for one platform, with its layers from the lowest."""

    plan: PlatformPlan
    layers: tuple[LayerContent, ...]

    @property
    def platform(self) -> Platform:
        return self.plan.platform


@dataclass(frozen=True, slots=True)
class SpecUnderCheck:
    """One document of a spec file. `is_whole` if every item of its layers could be read."""

    plan: Plan
    text: SpecText
    platforms: tuple[PlatformContent, ...]
    profile: Profile
    is_whole: bool = True

    @property
    def place(self) -> Place:
        return self.text.place(())

    @property
    def is_index(self) -> bool:
        return self.plan.is_index

    @property
    def knows_all_tags(self) -> bool:
        """Whether the plan has every tag that the image will get: rules, and open values, give theirs when it is built."""
        return not self.text.has(("tags", len(self.plan.tags)))

    def config_place(self, *path: str | int) -> Place:
        """Where a value of `config` is written."""
        return self.text.place(("config", *path))

    def place_of(self, origin: Origin | None) -> Place:
        return self.place if origin is None else self.text.place_at(origin)

    def image_names(self) -> Iterator[ImageName]:
        """The name of the image."""
        if self.plan.image is not None:
            yield ImageName(self.plan.image.name, self.text.place(("image",)))

    def layer_counts(self) -> Iterator[LayerCount]:
        """The number of layers of each platform, those of a base not counted."""
        place = self.text.key_place(("layers",)) if self.text.has(("layers",)) else self.place
        for part in self.platforms:
            beside = ", besides those of its base," if part.plan.base else ""
            yield LayerCount(f"the image for {part.platform}{beside}", len(part.layers), place)

    def environments(self) -> Iterator[Environment]:
        """The environment of each platform; names alone, since values may be secret."""
        for part in self.platforms:
            names = tuple(name for name, _ in part.plan.settings.env)
            yield Environment(names, part.platform.os == "windows", self.config_place("env"))

    def features(self) -> Iterator[Feature]:
        """What not every registry and runtime takes."""
        if self.is_index:
            yield Feature("index", "several platforms make an index", self.text.place(("platforms",)))
        for part in self.platforms:
            place = self.place_of(part.plan.origin)
            yield Feature("os", f"the image is for {part.platform}", place, part.platform.os)
            for layer in part.layers:
                if _is_zstd(layer.plan):
                    yield Feature(
                        "zstd", f"layer {layer.plan.name} is packed with zstd", self.place_of(layer.plan.origin)
                    )

    def shown_texts(self) -> Iterator[ShownText]:
        """What a page shows, by the levels that it stands on in the image for the first platform."""
        if not self.platforms:
            return
        first = self.platforms[0].plan
        for word in SHOWN:
            key = PREFIX + word
            levels = {
                LABELS: (first.labels, label_path(self.text, key) or ()),
                "manifest annotations": (first.annotations, ("annotations", "manifest", key)),
                "index annotations": (self.plan.index_annotations, ("annotations", "index", key)),
            }
            said = {level: self.text.place(path) for level, (values, path) in levels.items() if dict(values).get(key)}
            yield ShownText(word, said)


def label_path(text: SpecText, key: str) -> Path | None:
    """Where a label is written: under `labels`, which win, or under `metadata`."""
    candidates: tuple[Path, ...] = (("labels", key), ("metadata", key.removeprefix(PREFIX)))
    return next((path for path in candidates if text.has(path)), None)


def _is_zstd(layer: LayerPlan) -> bool:
    match layer:
        case FilesLayer():
            return layer.compressor.compression is Compression.ZSTD
        case ArchiveLayer() | ForeignLayer():
            return layer.compression is Compression.ZSTD
