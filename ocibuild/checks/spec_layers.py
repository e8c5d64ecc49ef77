"""Layers that send bytes nobody sees, and layers that are very large."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.spec_subject import LayerContent, PlacedFile, SpecUnderCheck
from ocibuild.findings import Severity
from ocibuild.plan import Origin

LARGE_LAYER = 2 * 10**9
_GIGABYTE = 10**9


def _layer_shadows(spec: SpecUnderCheck) -> Iterator[Fault]:
    """A file of one layer is replaced by one of a layer above it.

    Why: both are stored, sent and pulled, and only the upper one is ever seen.
    Source: OCI image-spec, layer.md, "Applying Changesets".
    Mend: put the file into one layer only.
    """
    for part in spec.platforms:
        below: dict[str, LayerContent] = {}
        for layer in part.layers:
            hidden = [file for file in layer.files if file.path in below]
            for origin, files in _by_origin(hidden).items():
                lower = below[files[0].path].plan.name
                message = f"{_listed(files)} replaces what layer {lower} brings; both are sent"
                yield Fault(message, spec.place_of(origin), "put it into one of the two layers only")
            below.update({file.path: layer for file in layer.files if file.size})


def _layer_deletes(spec: SpecUnderCheck) -> Iterator[Fault]:
    """A layer removes what a layer below it in the same spec brings.

    Why: the file is still stored, sent and pulled with the lower layer, and whoever has the image can read it there.
    Source: OCI image-spec, layer.md, "Whiteouts".
    Mend: do not put the file into the lower layer: `exclude` it there.
    """
    for part in spec.platforms:
        for number, layer in enumerate(part.layers):
            lower = [file for content in part.layers[:number] for file in content.files if file.size]
            for path, is_content_only, origin in layer.removed:
                below = path.rstrip("/") + "/"
                gone = [
                    one for one in lower if one.path.startswith(below) or (one.path == path and not is_content_only)
                ]
                if gone:
                    message = f"{_listed(gone)} is removed here, and still sent with the layer that brings it"
                    yield Fault(message, spec.place_of(origin), "`exclude` it where it is copied")


def _by_origin(files: list[PlacedFile]) -> dict[Origin | None, list[PlacedFile]]:
    grouped: dict[Origin | None, list[PlacedFile]] = {}
    for file in files:
        grouped.setdefault(file.origin, []).append(file)
    return grouped


def _listed(files: list[PlacedFile]) -> str:
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    return f"{files[0].path}{more}"


def _large_layer(spec: SpecUnderCheck) -> Iterator[Fault]:
    """A layer holds more than 2 GB.

    Why: a layer is sent as one upload, which begins anew when it breaks, and which GHCR ends after ten minutes.
    Source: GitHub documentation, Working with the Container registry; the limits of the profile count packed bytes.
    Mend: split its files over several layers, or leave out what is not needed.
    """
    for part in spec.platforms:
        for layer in part.layers:
            if layer.size > LARGE_LAYER:
                message = f"layer {layer.plan.name} holds {layer.size / _GIGABYTE:.1f} GB"
                yield Fault(message, spec.place_of(layer.plan.origin), "split its files over several layers")


def _image_too_large(spec: SpecUnderCheck) -> Iterator[Fault]:
    """All layers together, unpacked, exceed what the runtime of the profile takes.

    Why: AWS Lambda refuses to create a function from an image of more than 10 GB.
    Source: the limit of the profile; `ocibuild rules --profiles` names where it is written down.
    Mend: leave out what is not needed.
    """
    limit = spec.profile.image_size
    for part in spec.platforms:
        size = sum(layer.size for layer in part.layers)
        if limit is not None and size > limit:
            message = f"the image for {part.platform} holds {size:,} bytes; profile {spec.profile.name} takes {limit:,}"
            yield Fault(message, spec.place, "leave out what is not needed")


_SPEC = (Scope.SPEC,)
RULES: tuple[Rule[SpecUnderCheck], ...] = (
    Rule("layer-shadows", Severity.WARNING, "A layer hides files of another", _SPEC, _layer_shadows),
    Rule("layer-deletes", Severity.WARNING, "A layer removes files of another", _SPEC, _layer_deletes),
    Rule("large-layer", Severity.WARNING, "A layer is very large", _SPEC, _large_layer),
    Rule("image-too-large", Severity.ERROR, "The image exceeds the runtime's limit", _SPEC, _image_too_large),
)
