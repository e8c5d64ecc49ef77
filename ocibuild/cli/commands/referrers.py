"""`ocibuild referrers`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import say
from ocibuild.cli.options import (
    artifact_type,
    json_option,
    option,
    platform_option,
    progress_options,
    registry_options,
    subcommand,
)
from ocibuild.cli.results import print_json, table
from ocibuild.cli.session import chosen_platform, opened_places
from ocibuild.oci.location import parse_location
from ocibuild.sizes import human_size


@subcommand(
    "referrers",
    "ocibuild referrers ghcr.io/octocat/hello:1.2.3",
    "ocibuild referrers oci:.ocibuild/layout --type application/spdx+json --json",
)
@click.argument("image")
@option(
    "--type", "artifact_type", type=artifact_type, metavar="TYPE", help="Only artifacts of this type, as for `attach`."
)
@platform_option
@json_option
@progress_options
@registry_options
def command(image: str, **options: Any) -> None:
    """List the artifacts (SBOMs, signatures, ...) that refer to IMAGE, a reference or oci:DIR[:NAME].

    Those of an index are not those of its images: --platform asks for one of these.
    """
    with opened_places(options) as places:
        found = api.referrers(
            parse_location(image),
            places,
            artifact_type=options["artifact_type"],
            platform=chosen_platform(options["platform"]),
        )
    if options["as_json"]:
        print_json(
            {"subject": found.subject.to_json(), "referrers": [referrer.to_json() for referrer in found.referrers]}
        )
        return
    if not found.referrers:
        say("note: nothing refers to this image")
    rows = [
        (
            str(referrer.digest),
            referrer.artifact_type or "<none>",
            human_size(referrer.size),
            ",".join(f"{key}={text}" for key, text in sorted(referrer.annotations.items())),
        )
        for referrer in found.referrers
    ]
    click.echo(table(("DIGEST", "TYPE", "SIZE", "ANNOTATIONS"), rows), nl=False)
