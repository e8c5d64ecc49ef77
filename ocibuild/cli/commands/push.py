"""`ocibuild push`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.handover import (
    check_handover,
    failures_summarised,
    hand_over,
    results_of_pushed,
    summarise_pushed,
    wants_summary,
)
from ocibuild.cli.options import (
    destination_options,
    handover_options,
    jobs_option,
    json_option,
    option,
    output_option,
    progress_options,
    rate_option,
    registry_options,
    spec_options,
    subcommand,
)
from ocibuild.cli.plans import show_plans
from ocibuild.cli.results import print_json, pushed_as_json
from ocibuild.cli.session import opened_places, plans, push_destinations, terms
from ocibuild.oci.location import parse_output


@subcommand(
    "push",
    "ocibuild push",
    "ocibuild push ghcr.io/octocat/hello:1.2.3",
    "ocibuild push --dry-run",
    "ocibuild push -o oci-archive:images.tar",
)
@click.argument("destinations", nargs=-1, metavar="[DESTINATION]...")
@spec_options
@output_option
@destination_options
@option("--no-clobber", is_flag=True, help="Do not move a tag that points to another image.")
@option("--dry-run", is_flag=True, help="Show what would be sent, as `ocibuild plan` does, and send nothing.")
@rate_option
@handover_options
@json_option
@jobs_option
@progress_options
@registry_options
@failures_summarised()
def command(destinations: tuple[str, ...], **options: Any) -> int:
    """Push what `ocibuild build` built (in -o, .ocibuild/layout by default), and print NAME@DIGEST for each destination.

    Without a DESTINATION (HOST/REPOSITORY[:TAG]), each image goes to the `image` and `tags` of its spec. The image is
    checked before the first request.
    """
    output = parse_output(options["output"])
    wanted = plans(options)
    references = push_destinations(destinations)
    with opened_places(options) as places:
        if options["dry_run"]:
            planned = api.plan_push(wanted, output, references, places, terms(options))
            return show_plans(planned, options["rate"], images=len(wanted), as_json=options["as_json"])
        check_handover(options)
        pushed = api.push_plans(wanted, output, references, places, replace(terms(options), look_back=wants_summary()))
        hand_over(results_of_pushed(pushed), options, places.emit)
        summarise_pushed(pushed)
    if options["as_json"]:
        print_json({"pushed": pushed_as_json(pushed)})
    else:
        for one in pushed:
            click.echo(str(one.reference))
    return 0
