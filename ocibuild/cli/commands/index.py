"""`ocibuild index`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.handover import (
    check_handover,
    failures_summarised,
    hand_over,
    result_of_index,
    summarise_index,
    wants_summary,
)
from ocibuild.cli.options import (
    KeyValue,
    SectionedCommand,
    handover_options,
    jobs_option,
    option,
    progress_options,
    registry_options,
)
from ocibuild.cli.session import opened_places
from ocibuild.oci.location import RegistryLocation, parse_location


@click.group("index", no_args_is_help=False)
def command() -> None:
    """Merge images that were built apart into one index."""


@command.command(
    "create",
    cls=SectionedCommand,
    examples=["ocibuild index create ghcr.io/octocat/hello:1.2.3 ghcr.io/octocat/hello@sha256:... oci:arm64"],
)
@click.argument("destination")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    metavar="TAG",
    help="A tag for the index, besides that of DESTINATION; may be repeated.",
)
@option("--annotation", "annotations", multiple=True, type=KeyValue(), help="Annotate the index; may be repeated.")
@handover_options
@jobs_option
@progress_options
@registry_options
@failures_summarised()
def create(destination: str, sources: tuple[str, ...], **options: Any) -> None:
    """Put an index over the images of every SOURCE at DESTINATION (HOST/REPOSITORY[:TAG] or oci:DIR[:TAG]).

    For runners that each built one platform and pushed it by digest: name those digests, or layouts, as sources. What is
    missing at the destination is copied. The index gets the annotations that all images share.
    """
    target = parse_location(destination)
    check_handover(options, () if isinstance(target, RegistryLocation) else (Path(target.path),))
    with opened_places(options) as places:
        index = api.create_index(
            target,
            [parse_location(source) for source in sources],
            places,
            tags=options["tags"],
            annotations=dict(options["annotations"]),
            jobs=options["jobs"] or api.UPLOADS,
        )
        result = result_of_index(index, target, options["tags"])
        hand_over([result], options, places.emit)
        if wants_summary():
            summarise_index(result, sources)
    click.echo(
        str(target.reference.with_digest(index.digest)) if isinstance(target, RegistryLocation) else str(index.digest)
    )
