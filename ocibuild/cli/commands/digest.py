"""`ocibuild digest`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import platform_option, progress_options, registry_options, subcommand
from ocibuild.cli.session import chosen_platform, opened_places
from ocibuild.oci.location import parse_location


@subcommand("digest", "ocibuild digest ghcr.io/octocat/hello:1.2.3")
@click.argument("image")
@platform_option
@progress_options
@registry_options
def command(image: str, **options: Any) -> None:
    """Print the digest that IMAGE (a reference, oci:DIR[:NAME], ...) leads to."""
    with opened_places(options) as places:
        click.echo(str(api.digest(parse_location(image), places, platform=chosen_platform(options["platform"]))))
