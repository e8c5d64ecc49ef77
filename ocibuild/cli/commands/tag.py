"""`ocibuild tag`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import progress_options, registry_options, subcommand
from ocibuild.cli.session import opened_places
from ocibuild.oci.location import parse_location


@subcommand("tag", "ocibuild tag ghcr.io/octocat/hello:1.2.3 1.2 latest")
@click.argument("image")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@progress_options
@registry_options
def command(image: str, names: tuple[str, ...], **options: Any) -> None:
    """Let each NAME (a tag, or the repository with one) point to IMAGE, where it is, and print its digest.

    Nothing is built or sent again: the digest stays.
    """
    with opened_places(options) as places:
        click.echo(str(api.tag(parse_location(image), names, places).digest))
