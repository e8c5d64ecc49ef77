"""`ocibuild pull`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import (
    jobs_option,
    output_option,
    platform_option,
    progress_options,
    registry_options,
    subcommand,
)
from ocibuild.cli.session import chosen_platform, opened_places, registry_reference
from ocibuild.oci.location import RegistryLocation, parse_output


@subcommand(
    "pull",
    "ocibuild pull ghcr.io/octocat/hello:1.2.3",
    "ocibuild pull --platform linux/arm64 -o docker-archive:hello.tar ghcr.io/octocat/hello",
)
@click.argument("reference")
@output_option
@platform_option
@jobs_option
@progress_options
@registry_options
def command(reference: str, **options: Any) -> None:
    """Fetch an image by name, tag or digest into a layout or an archive, and print NAME@DIGEST.

    All that arrives is verified. An index comes with the images of all its platforms, unless --platform names one.
    """
    wanted = registry_reference(reference)
    output = parse_output(options["output"])
    with opened_places(options) as places:
        descriptor = api.copy(
            RegistryLocation(wanted),
            output,
            places,
            platform=chosen_platform(options["platform"]),
            jobs=options["jobs"] or api.UPLOADS,
        )
    click.echo(str(wanted.with_digest(descriptor.digest)))
