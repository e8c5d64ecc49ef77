"""One document -> one plan: rendered for every platform, judged by the schema, then read part by part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

from ocibuild.errors import SpecError
from ocibuild.oci.media_type import Format
from ocibuild.oci.platform import Platform
from ocibuild.plan import Origin, Plan, PlatformPlan
from ocibuild.spec.complaints import Complaint, explain
from ocibuild.spec.defaults import read_defaults
from ocibuild.spec.document import (
    Document,
    evaluate_image,
    evaluate_platform,
    refuse_templates_in_keys,
)
from ocibuild.spec.layers import LayerContext, check_layers, read_layers
from ocibuild.spec.lockfile import NAME as LOCKFILE
from ocibuild.spec.lockfile import Locked, read_lock, with_lock
from ocibuild.spec.metadata import Extra, Shape, check_annotations, check_metadata, read_annotations, read_labels
from ocibuild.spec.names import read_names
from ocibuild.spec.nodes import Path
from ocibuild.spec.platforms import choose_platforms, read_base, read_platforms
from ocibuild.spec.policies import read_policy, read_waivers
from ocibuild.spec.scope import Scope
from ocibuild.spec.settings import read_settings, read_unset
from ocibuild.spec.times import format_time, parse_time
from ocibuild.spec.values import Value, without
from ocibuild.spec.view import View
from ocibuild.tagging import TagMaker


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says instead of the spec.

    `sets` gives variables their values. `platforms` and `tags` replace the spec's (a tag may be a rule, or a full reference,
    which replaces `image` too). `labels` and `annotations` (level, key, value) are laid on top.
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A document for one platform: its values without what was complained about, and what its templates can name."""

    platform: Platform
    spec: View
    scope: Scope


@dataclass(frozen=True, slots=True)
class Rendering:
    """A document for all of its platforms. `declared` are those that the spec itself names, and where."""

    document: Document
    declared: Mapping[Platform, Origin]
    platforms: tuple[Rendered, ...]


def render_document(document: Document, scope: Scope, asked: tuple[str, ...]) -> Rendering | None:
    """The document with its templates evaluated and its schema checked; None where nothing can be made of it."""
    refuse_templates_in_keys(document)
    image = evaluate_image(document, scope)
    head = {key: image[key] for key in ("apiVersion", "platforms") if key in image}
    complaints = _judge(document, head)
    foreign = [one for one in complaints if one.rule == "spec-api-version" and one.path]
    if foreign:  # another program's file, or a later format: nothing else we could say of it is of use
        document.enter(foreign)
        return None
    declared = read_platforms(View(document, without(head, _unusable(complaints))))
    judged: list[tuple[Value, Value]] = []
    rendered = []
    for platform in choose_platforms(declared, asked):
        with_platform = replace(scope, platform=platform)
        values = evaluate_platform(document, with_platform, image)
        rendered.append(Rendered(platform, View(document, _usable(document, values, judged)), with_platform))
    return Rendering(document, declared, tuple(rendered))


def read_plan(rendering: Rendering, overrides: Overrides, epoch: int | None, maker: TagMaker | None) -> Plan | None:
    """The plan; None, with complaints in the ledger, where there is none. `epoch` is SOURCE_DATE_EPOCH.

    Without a `maker`, tag rules give no tags.
    """
    document, first = rendering.document, rendering.platforms[0].spec
    shape = Shape(Format(first.text_of("format") or "oci"), len(rendering.platforms) > 1)
    said = _created(first, epoch)
    created = said or 0
    git_metadata = read_defaults(first, rendering.platforms[0].scope, None if said is None else format_time(said))
    extra = Extra(overrides.labels, overrides.annotations, git_metadata)
    _check(rendering, shape, extra)
    context = _Context(document.directory, shape, extra, created, epoch, locked_bases(document))
    try:
        names = read_names(first, overrides.tags, rendering.platforms[0].scope, maker)
    except SpecError as error:
        document.ledger.take(error.findings)
        return None
    return Plan(
        image=names.image,
        tags=names.tags,
        format=shape.format,
        created=format_time(created),
        platforms=tuple(_platform_plan(rendering, one, context) for one in rendering.platforms),
        index_annotations=read_annotations(first, "index", shape, extra),
        index_descriptor_annotations=read_annotations(first, "index-descriptor", shape, extra),
        origin=first.origin,
        places=document.origins(),
        policy=read_policy(first),
        waivers=read_waivers(first),
        rulings=names.rulings,
        warnings=names.warnings,
        files=document.files,  # last: only now all templates were read
    )


@dataclass(frozen=True, slots=True)
class _Context:
    """What is the same for all platforms of an image."""

    directory: FilePath
    shape: Shape
    extra: Extra
    created: int
    epoch: int | None
    locked: Locked


def locked_bases(document: Document) -> Locked:
    """What the lock file beside the spec says; it counts as a file of the document, whether it is there or not."""
    document.read.add(document.directory / LOCKFILE)
    shown_as = os.path.join(os.path.dirname(document.source.name), LOCKFILE)
    return read_lock(document.directory, shown_as, document.ledger)


def _platform_plan(rendering: Rendering, rendered: Rendered, context: _Context) -> PlatformPlan:
    spec, platform, shape = rendered.spec, rendered.platform, context.shape
    base_view, base = read_base(spec, platform, context.directory)
    layers = LayerContext(context.directory, rendered.scope, shape.format, context.created, context.epoch)
    plan = PlatformPlan(
        platform=platform,
        layers=read_layers(spec, layers, platform),
        base=with_lock(base, context.locked),
        settings=read_settings(spec, shape.format),
        unset=read_unset(spec),
        labels=read_labels(spec, context.extra),
        annotations=read_annotations(spec, "manifest", shape, context.extra),
        descriptor_annotations=read_annotations(spec, "manifest-descriptor", shape, context.extra),
        origin=rendering.declared.get(platform, spec.origin),
        base_origin=None if base_view is None else base_view.origin,
    )
    if plan.base is None and not plan.layers and not len(rendering.document.ledger):
        message = f"the image for {platform} has neither a base nor a layer"
        spec.refuse("spec-empty-image", message, "add `base` or `layers`")
    return plan


def _check(rendering: Rendering, shape: Shape, extra: Extra) -> None:
    declared = tuple(rendering.declared)
    platforms = (*declared, *(one.platform for one in rendering.platforms if one.platform not in declared))
    first = rendering.platforms[0].spec
    check_layers(first, platforms)
    check_metadata(first)
    # With --platform, one of several may be built alone: what the spec says for the index is no mistake then.
    check_annotations(first, replace(shape, is_index=len(declared) > 1 or shape.is_index), Extra())
    check_annotations(View(first.document, {}), shape, extra)


def _created(spec: View, epoch: int | None) -> int | None:
    said = spec.parse_of("created", parse_time)
    return epoch if said is None else said


def _usable(document: Document, values: Value, judged: list[tuple[Value, Value]]) -> Value:
    for known, usable in judged:
        if known == values:
            return usable
    complaints = _judge(document, values)
    document.enter(complaints)
    usable = without(values, [*_unusable(complaints), *document.broken])
    judged.append((values, usable))
    return usable


def _judge(document: Document, values: Value) -> list[Complaint]:
    from ocibuild.spec.schema import breaches_of

    complaints = [complaint for breach in breaches_of(values) for complaint in explain(breach)]
    return [one for one in complaints if not document.is_broken(one.path)]


def _unusable(complaints: list[Complaint]) -> list[Path]:
    return [one.path for one in complaints if not one.usable]
