"""Labels and annotations: `metadata` fanned out to every level that the shape and the format have, exact entries on top."""

from __future__ import annotations

from dataclasses import dataclass, field

from ocibuild.findings import Place
from ocibuild.oci.media_type import Format
from ocibuild.plan import Strings
from ocibuild.spec.times import parse_time
from ocibuild.spec.view import View

PREFIX = "org.opencontainers.image."
LEVELS = ("index", "manifest", "index-descriptor", "manifest-descriptor")
_OF_INDEX = ("index", "index-descriptor")


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides which levels there are."""

    format: Format
    is_index: bool


@dataclass(frozen=True, slots=True)
class Extra:
    """Labels and annotations (level, key, value) from the command line, which win over the spec's; and metadata by its short
    keys that the spec wins over."""

    labels: Strings = ()
    annotations: tuple[tuple[str, str, str], ...] = field(default=())
    metadata: Strings = ()


def read_labels(spec: View, extra: Extra) -> Strings:
    """The labels of the image for one platform."""
    return _merge(_metadata(spec, extra), _entries(spec, "labels"), extra.labels)


def read_annotations(spec: View, level: str, shape: Shape, extra: Extra) -> Strings:
    """The annotations of `level`; none where the shape or the format has no such level."""
    if shape.format is Format.DOCKER or (level in _OF_INDEX and not shape.is_index):
        return ()
    annotations = spec.get("annotations")
    own = _entries(annotations, level) if annotations is not None else ()
    fanned_out = _metadata(spec, extra) if level in ("index", "manifest") else ()
    return _merge(fanned_out, own, tuple((key, value) for at, key, value in extra.annotations if at == level))


def check_annotations(spec: View, shape: Shape, extra: Extra) -> None:
    """Complains of annotations that would have nowhere to stand."""
    for level, view in spec.entries("annotations"):
        problem = _problem(level, shape) if view.value else None
        if problem:
            view.refuse("spec-annotation-level", *problem, at_key=True)
    for level, key, _ in extra.annotations:
        problem = _problem(level, shape)
        if problem:
            message, hint = problem
            spec.document.ledger.add("spec-annotation-level", f"{key}: {message}", Place("--annotation"), hint)


def check_metadata(spec: View) -> None:
    """Complains of metadata whose form the specification fixes."""
    created = spec.get("metadata")
    if created is not None:
        created.parse_of("created", parse_time)


def _problem(level: str, shape: Shape) -> tuple[str, str] | None:
    if level not in LEVELS:
        return f"`{level}` is not a level of annotations", f"there are {', '.join(LEVELS)}"
    if shape.format is Format.DOCKER:
        return "the docker format has no annotations", "use `labels`, or `format: oci`"
    if level in _OF_INDEX and not shape.is_index:
        instead = level.replace("index", "manifest")
        return f"`{level}`: an image for one platform has no index", f"write it under `{instead}`"
    return None


def _metadata(spec: View, extra: Extra) -> Strings:
    said = tuple((key, value.text) for key, value in spec.entries("metadata") if key != "defaults")
    return tuple((PREFIX + key, value) for key, value in (*extra.metadata, *said))


def _entries(view: View, key: str) -> Strings:
    pairs = []
    for name, value in view.entries(key):
        if not name:
            value.refuse("spec-bad-value", f"a key under `{key}` is empty", "give it a name", at_key=True)
        pairs.append((name, value.text))
    return tuple(pairs)


def _merge(*levels: Strings) -> Strings:
    merged: dict[str, str] = {}
    for level in levels:
        merged.update(level)
    return tuple(sorted(merged.items()))
