"""`ocibuild build`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.handover import (
    LayerTally,
    check_handover,
    failures_summarised,
    hand_over,
    results_of_built,
    summarise,
    summarise_pushed,
    wants_summary,
)
from ocibuild.cli.options import (
    by_digest_option,
    cache_dir_option,
    handover_options,
    jobs_option,
    json_option,
    option,
    output_option,
    progress_options,
    registry_options,
    spec_options,
    subcommand,
)
from ocibuild.cli.results import built_as_json, print_json, pushed_as_json, shown_name, summary
from ocibuild.cli.session import default_jobs, opened_places, plans
from ocibuild.errors import UsageError
from ocibuild.events import Emit, Noted
from ocibuild.oci.location import (
    DockerArchiveLocation,
    LayoutLocation,
    LocalLocation,
    RegistryLocation,
    parse_location,
    parse_output,
)
from ocibuild.plan import Plan

_FEW = 3  # images that are left out: of more, only the number is told


@subcommand(
    "build",
    "ocibuild build",
    "ocibuild build --set version=1.2.3 --platform linux/arm64",
    "ocibuild build -f images/ -o oci-archive:images.tar",
    "ocibuild build -f images/ --changed-since origin/main",
    "ocibuild build --push --metadata-file built.json",
)
@spec_options
@output_option
@option("--push", is_flag=True, help="Then push to the image and tags of each spec.")
@by_digest_option
@option(
    "--cache-from",
    multiple=True,
    metavar="IMAGE",
    help="Take over unchanged layers of this image, wherever it is, without packing or sending them; may be repeated.",
)
@option(
    "--changed-since",
    metavar="REVISION",
    help="Build only images whose spec, templates or sources differ from this git revision.",
)
@option("--no-cache", is_flag=True, help="Make everything anew: no cache, no layers of earlier images.")
@cache_dir_option
@handover_options
@json_option
@jobs_option
@progress_options
@registry_options
@failures_summarised()
def command(**options: Any) -> None:
    """Build the images of specs, for all their platforms, and print NAME@DIGEST of each.

    The result is an OCI layout (.ocibuild/layout unless -o says otherwise), ready for `ocibuild push`. The same sources give
    the same digest on every machine.
    """
    output, wanted = parse_output(options["output"]), plans(options)
    if options["push"] and isinstance(output, DockerArchiveLocation):
        raise UsageError("an image is not pushed out of a docker-archive", hint="build to oci:DIR or oci-archive:FILE")
    check_handover(options, _made(output, options))
    with opened_places(options) as places:
        chosen = _chosen(wanted, options["changed_since"], places.emit)
        is_named = len(chosen.unchanged) <= _FEW or bool(options["verbose"])
        for plan in chosen.unchanged if is_named else ():
            places.emit(Noted(f"{shown_name(plan)} is left out: nothing that it is made of has changed"))
        layers = LayerTally()
        with places.heard_by(layers):
            built = _build(chosen.changed, output, places, options) if chosen.changed else ()
        if len(built) > 1 or chosen.unchanged:
            places.emit(Noted(summary(built, len(chosen.unchanged), is_named=is_named)))
        hand_over(results_of_built(built, by_digest=options["by_digest"]), options, places.emit)
        if wants_summary():
            _summarise(built, chosen, layers)
        pushed = _push(chosen.changed, output, places, options) if options["push"] and chosen.changed else ()
    if options["as_json"]:
        _show_json(options, built, chosen, pushed)
    else:
        for image in built:
            click.echo(image.name)


def _made(output: LocalLocation, options: dict[str, Any]) -> tuple[Path, ...]:
    """The directories that a build makes."""
    path = Path(output.path)
    place = path if isinstance(output, LayoutLocation) else path.parent
    return place, options["cache_dir"] or api.cache_directory()


def _build(
    wanted: tuple[Plan, ...], output: LocalLocation, places: api.Places, options: dict[str, Any]
) -> tuple[api.Built, ...]:
    return api.build(
        wanted,
        output,
        places,
        self_contained=output != api.DEFAULT_OUTPUT,
        reuse=_reuse(options, wanted),
        jobs=options["jobs"] or default_jobs(),
    )


def _push(
    built: tuple[Plan, ...], output: LocalLocation, places: api.Places, options: dict[str, Any]
) -> tuple[api.Pushed, ...]:
    terms = api.Terms(by_digest=options["by_digest"], look_back=wants_summary(), jobs=options["jobs"] or api.UPLOADS)
    pushed = api.push_plans(built, output, (), places, terms)
    summarise_pushed(pushed)
    return pushed


def _summarise(built: Sequence[api.Built], chosen: api.Chosen, layers: LayerTally) -> None:
    from ocibuild.cli.step_summary import built_summary

    summarise(built_summary(built, [shown_name(plan) for plan in chosen.unchanged], layers.outcomes))


def _show_json(
    options: dict[str, Any], built: Sequence[api.Built], chosen: api.Chosen, pushed: Sequence[api.Pushed]
) -> None:
    document: dict[str, Any] = {"images": built_as_json(built)}
    if options["changed_since"]:
        document["skipped"] = [shown_name(plan) for plan in chosen.unchanged]
    if options["push"]:
        document["pushed"] = pushed_as_json(pushed)
    print_json(document)


def _chosen(wanted: tuple[Plan, ...], revision: str | None, emit: Emit) -> api.Chosen:
    """What to build, and what to leave out."""
    return api.choose_changed(wanted, revision, emit) if revision else api.Chosen(wanted, ())


def _reuse(options: dict[str, Any], wanted: Sequence[Plan]) -> api.Reuse | None:
    """The cache, the images that were named, and (where the result is pushed anyway) what the tags point to so far."""
    if options["no_cache"]:
        return None
    named = tuple(parse_location(text) for text in options["cache_from"])
    # The first tag of a release is new; what was there before has the last one, `latest`.
    likely = (name for plan in wanted for name in plan.references[:1] + plan.references[-1:])
    at_target = tuple(map(RegistryLocation, dict.fromkeys(likely)))
    return api.Reuse(options["cache_dir"] or api.cache_directory(), named, at_target if options["push"] else ())
