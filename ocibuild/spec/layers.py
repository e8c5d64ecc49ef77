"""The layers of a spec for one platform, lowest first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ocibuild.errors import UsageError
from ocibuild.oci.compression import Compressor, compressor
from ocibuild.oci.digest import parse_digest
from ocibuild.oci.media_type import Compression, Format, layer_type
from ocibuild.oci.platform import Platform, selects
from ocibuild.plan import (
    ArchiveLayer,
    Attributes,
    Directory,
    FilesLayer,
    ForeignLayer,
    Hardlink,
    Item,
    LayerPlan,
    Origin,
    Remove,
    Symlink,
    Text,
)
from ocibuild.spec import paths
from ocibuild.spec.attributes import read_attributes
from ocibuild.spec.items import Surroundings, read_item
from ocibuild.spec.scope import Scope
from ocibuild.spec.view import View

# Items that put exactly one path into a layer.
_SINGLE = (Text, Symlink, Hardlink, Directory)


@dataclass(frozen=True, slots=True)
class LayerContext:
    """What the layers of one image for one platform have in common."""

    directory: Path
    scope: Scope
    format: Format
    created: int
    latest_mtime: int | None


def read_layers(spec: View, context: LayerContext, platform: Platform) -> tuple[LayerPlan, ...]:
    """The layers that `platform` gets."""
    packing = read_compressor(spec.get("compression"), context.format) or compressor(Compression.GZIP)
    defaults = read_attributes(spec, Attributes()), packing
    layers: list[LayerPlan] = []
    known: tuple[Directory, ...] = ()
    for number, view in enumerate(spec.items("layers"), 1):
        if not is_selected(view, platform):
            continue
        layer = _read_layer(view, f"layer-{number}", context, defaults, known)
        if layer is not None:
            layers.append(layer)
        if isinstance(layer, FilesLayer):
            known = _known_after(known, layer.items)
    return tuple(layers)


def check_layers(spec: View, platforms: tuple[Platform, ...]) -> None:
    """Complains of names that two layers share, and of selectors that none of `platforms` fits."""
    seen: dict[str, Origin] = {}
    for view in spec.items("layers"):
        name = view.get("name")
        if name is not None and name.text in seen:
            message = f"the layer of line {seen[name.text].line} is called {name.text} too"
            name.refuse("spec-duplicate-name", message, "give each its own name")
        elif name is not None:
            seen[name.text] = name.origin
        for selector in view.items("platforms"):
            if not any(selects(selector.text, platform) for platform in platforms):
                there_are = f"the spec has {', '.join(map(str, platforms))}"
                selector.refuse("spec-selector", f"`{selector.text}` fits no platform of this spec", there_are)


def is_selected(layer: View, platform: Platform) -> bool:
    """Whether a layer is for `platform`; one without selectors is for all."""
    selectors = layer.texts_of("platforms")
    return selectors is None or any(selects(selector, platform) for selector in selectors)


def read_compressor(view: View | None, family: Format) -> Compressor | None:
    """How `compression` says to pack; None where nothing (usable) is said."""
    if view is None:
        return None
    kind = view if view.is_text else view.get("type")
    compression = read_compression(kind, family)
    level = view.get("level")
    if compression is None or level is None:
        return None if compression is None else compressor(compression)
    return level.parse(lambda text: compressor(compression, int(text)))


def read_compression(view: View | None, family: Format) -> Compression | None:
    """A type of compression, if `family` can carry such layers."""
    if view is None:
        return None

    def parse(text: str) -> Compression:
        layer_type(family, Compression(text))
        return Compression(text)

    return view.parse(parse, "spec-docker-format")


def _read_layer(
    view: View,
    default_name: str,
    context: LayerContext,
    defaults: tuple[Attributes, Compressor],
    known: tuple[Directory, ...],
) -> LayerPlan | None:
    name = view.text_of("name") or default_name
    if view.get("foreign"):
        return _foreign(view, name, context)
    if view.get("archive"):
        return _archive(view, name, context)
    outer, default_compressor = defaults
    around = Surroundings(context.directory, context.scope, read_attributes(view, outer))
    entries = [(entry, item) for entry in view.items("files") if (item := read_item(entry, around))]
    _refuse_duplicates(entries)
    return FilesLayer(
        name=name,
        items=tuple(item for _, item in entries),
        compressor=read_compressor(view.get("compression"), context.format) or default_compressor,
        context=context.directory,
        created=context.created,
        latest_mtime=context.latest_mtime,
        known_directories=known,
        origin=view.origin,
    )


def _archive(view: View, name: str, context: LayerContext) -> LayerPlan | None:
    source = view.parse_of("archive", paths.parse_source, "spec-bad-path")
    compression = read_compression(view.get("compression"), context.format)
    if source is None:
        return None
    return ArchiveLayer(name, source, context.directory, compression, view.origin)


def _foreign(view: View, name: str, context: LayerContext) -> LayerPlan | None:
    foreign = view.get("foreign")
    assert foreign is not None
    digest = foreign.parse_of("digest", parse_digest)
    diff_id = foreign.parse_of("diff_id", parse_digest)
    urls = tuple(url for entry in foreign.items("urls") if (url := entry.parse(_parse_url)))
    compression = read_compression(foreign.get("compression"), context.format) or Compression.GZIP
    size = foreign.get("size")
    if digest is None or diff_id is None or size is None:
        return None
    return ForeignLayer(name, urls, digest, int(size.text), diff_id, compression, view.origin)


def _parse_url(text: str) -> str:
    # image-spec descriptor.md, "urls": RFC 3986, and the schemes that clients understand.
    scheme, separator, rest = text.partition("://")
    fits = text.isascii() and text.isprintable() and not set(text) & set(' "<>\\^`{|}')
    if scheme.lower() not in ("http", "https") or not separator or not rest.strip("/") or not fits:
        raise UsageError(f"{text!r} is not a URL", hint="write an absolute URL that begins with https:// or http://")
    return text


def _refuse_duplicates(entries: list[tuple[View, Item]]) -> None:
    # What a copy brings is not known here; that these collide can be said before anything is read.
    lines: dict[str, int] = {}
    for view, item in entries:
        path = item.path if isinstance(item, Remove) else item.to if isinstance(item, _SINGLE) else None
        if path is None:
            continue
        if path in lines:
            message = f"{path} is here a second time in one layer, after line {lines[path]}"
            view.refuse("spec-duplicate-path", message, "keep one of the two, or put the later one into a layer above")
        lines.setdefault(path, view.origin.line)


def _known_after(known: tuple[Directory, ...], items: tuple[Item, ...]) -> tuple[Directory, ...]:
    removed = [item.path for item in items if isinstance(item, Remove)]
    own = {item.to: item for item in items if isinstance(item, Directory)}
    left = {
        directory.to: directory
        for directory in known
        if not any(directory.to == path or directory.to.startswith(path + "/") for path in removed)
    }
    return tuple({**left, **own}.values())
