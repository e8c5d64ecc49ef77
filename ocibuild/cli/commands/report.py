"""`ocibuild report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import option, platform_option, progress_options, registry_options, subcommand
from ocibuild.cli.session import chosen_platform, opened_places
from ocibuild.oci.location import parse_location


@subcommand(
    "report",
    "ocibuild report ghcr.io/octocat/hello:1.2.3 -o report.html",
    "ocibuild report oci:.ocibuild/layout:1.2.3 -o report.html --against ghcr.io/octocat/hello:1.2.2",
)
@click.argument("image")
@option(
    "-o",
    "--html",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    required=True,
    help="The file to write.",
)
@option("--against", metavar="IMAGE", help="Show what differs from this image too.")
@platform_option
@progress_options
@registry_options
def command(image: str, file: Path, against: str | None, **options: Any) -> None:
    """Write one HTML file about IMAGE: layers, a map of sizes, all files with a search, config, annotations, findings.

    The file needs no network and nothing beside it. IMAGE may be a reference, oci:DIR[:NAME], oci-archive:FILE or
    docker-archive:FILE.
    """
    api.refuse_unwritable(file)
    with opened_places(options) as places:
        page = api.report(
            parse_location(image),
            places,
            against=parse_location(against) if against else None,
            platform=chosen_platform(options["platform"]),
        )
    api.write_file(file, page)
    click.echo(file)
