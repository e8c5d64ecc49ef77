"""`ocibuild diff`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.difference import difference_as_json, difference_as_text
from ocibuild.cli.difference_markdown import difference_as_markdown
from ocibuild.cli.options import PROGRESS, option, platform_option, progress_options, registry_options, subcommand
from ocibuild.cli.results import print_json
from ocibuild.cli.session import chosen_platform, opened_places
from ocibuild.oci.location import parse_location

DIFFERENT = 1  # the exit code that `diff` has for it everywhere


@subcommand(
    "diff",
    "ocibuild diff ghcr.io/octocat/hello:1.2.2 ghcr.io/octocat/hello:1.2.3",
    "ocibuild diff ghcr.io/octocat/hello:latest oci:.ocibuild/layout --format markdown",
)
@click.argument("before")
@click.argument("after")
@platform_option
@option("--times", is_flag=True, help="Compare modification times and dates of creation too.")
@option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    section=PROGRESS,
    help="How stdout shows it.",
)
@progress_options
@registry_options
def command(before: str, after: str, form: str, **options: Any) -> int:
    """Show what differs between two images: files, config, annotations and layers.

    Each may be a reference, oci:DIR[:NAME], oci-archive:FILE or docker-archive:FILE; indexes are compared platform by
    platform. Ends with 0 if nothing differs, with 1 if something does.
    """
    with opened_places(options) as places:
        found = api.diff(
            parse_location(before),
            parse_location(after),
            places,
            platform=chosen_platform(options["platform"]),
            times=options["times"],
        )
    names = (before, after)
    if form == "json":
        print_json(difference_as_json(found, names))
    else:
        shown = difference_as_markdown if form == "markdown" else difference_as_text
        click.echo(shown(found, names), nl=False)
    return 0 if found.is_empty else DIFFERENT
