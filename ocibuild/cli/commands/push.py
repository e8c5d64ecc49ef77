"""`ocibuild push`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import (
    jobs_option,
    json_option,
    option,
    output_option,
    progress_options,
    registry_options,
    spec_options,
)
from ocibuild.cli.results import print_json, pushed_as_json
from ocibuild.cli.session import opened_places, plans
from ocibuild.oci.location import parse_output
from ocibuild.oci.reference import parse_reference


@click.command("push")
@click.argument("destinations", nargs=-1, metavar="[DESTINATION]...")
@spec_options
@output_option
@option("--profile", metavar="NAME", help="Check against this registry profile. Default: by the destination's host.")
@json_option
@jobs_option
@progress_options
@registry_options
def command(destinations: tuple[str, ...], **options: Any) -> None:
    """Push what `ocibuild build` built (in -o, .ocibuild/layout by default), and print NAME@DIGEST for each destination.

    Without a DESTINATION (HOST/REPOSITORY:TAG), each image goes to the `image` and `tags` of its spec. The image is checked
    before the first request.
    """
    output = parse_output(options["output"])
    wanted = plans(options)
    profile = api.profile_named(options["profile"]) if options["profile"] else None
    references = tuple(parse_reference(text) for text in destinations)
    with opened_places(options) as places:
        pushed = api.push_plans(
            wanted, output, references, places, profile=profile, jobs=options["jobs"] or api.UPLOADS
        )
    if options["as_json"]:
        print_json({"pushed": pushed_as_json(pushed)})
    else:
        for one in pushed:
            click.echo(str(one.reference))
