"""`ocibuild plan`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import (
    destination_options,
    json_option,
    output_option,
    progress_options,
    rate_option,
    registry_options,
    spec_options,
    subcommand,
)
from ocibuild.cli.plans import show_plans
from ocibuild.cli.session import opened_places, plans, push_destinations, terms
from ocibuild.oci.location import parse_output


@subcommand("plan", "ocibuild plan", "ocibuild plan --rate 2MB --json ghcr.io/octocat/hello:1.2.3")
@click.argument("destinations", nargs=-1, metavar="[DESTINATION]...")
@spec_options
@output_option
@destination_options
@rate_option
@json_option
@progress_options
@registry_options
def command(destinations: tuple[str, ...], **options: Any) -> int:
    """Show what `ocibuild push` would do with what was built: blobs that are there, can be mounted or would be sent, tags
    that would move, bytes, requests, time. Nothing is written. Exits with 1 if the push would be refused.
    """
    references, wanted = push_destinations(destinations), plans(options)
    with opened_places(options) as places:
        planned = api.plan_push(wanted, parse_output(options["output"]), references, places, terms(options))
    return show_plans(planned, options["rate"], images=len(wanted), as_json=options["as_json"])
