"""`ocibuild delete`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable
from ocibuild.cli.options import progress_options, registry_options, subcommand
from ocibuild.cli.session import opened_places
from ocibuild.oci.location import parse_location


@subcommand(
    "delete",
    "ocibuild delete ghcr.io/octocat/hello:pr-17",
    "ocibuild delete oci:.ocibuild/layout:1.2.3",
)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@progress_options
@registry_options
def command(images: tuple[str, ...], **options: Any) -> None:
    """Delete each IMAGE (HOST/REPOSITORY:TAG, HOST/REPOSITORY@DIGEST or oci:DIR:NAME) and print what went, one a line.

    By tag, the tag alone: other tags keep what it points to. By digest, the image with all its tags. In a layout its names
    go, and the blobs stay. Nothing is asked.
    """
    locations = [parse_location(image) for image in images]
    with opened_places(options) as places:
        for location in locations:
            for name in api.delete(location, places):
                click.echo(printable(name))
