"""`ocibuild inspect`."""

from __future__ import annotations

import sys
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.inspection import inspection_as_json, inspection_as_text
from ocibuild.cli.options import (
    PROGRESS,
    json_option,
    option,
    platform_option,
    progress_options,
    registry_options,
    subcommand,
)
from ocibuild.cli.results import print_json
from ocibuild.cli.session import chosen_platform, opened_places
from ocibuild.errors import UsageError
from ocibuild.oci.location import parse_location


@subcommand(
    "inspect",
    "ocibuild inspect ghcr.io/octocat/hello:1.2.3",
    "ocibuild inspect oci:.ocibuild/layout:1.2.3 --config --platform linux/arm64",
)
@click.argument("image")
@platform_option
@option("--raw", is_flag=True, section=PROGRESS, help="The manifest or index, byte by byte.")
@option(
    "--config",
    "show_config",
    is_flag=True,
    section=PROGRESS,
    help="The config, byte by byte (of an index: with --platform).",
)
@json_option
@progress_options
@registry_options
def command(image: str, **options: Any) -> None:
    """Show what IMAGE (a reference, oci:DIR[:NAME], oci-archive:FILE, docker-archive:FILE) is. No layer is fetched."""
    if sum((options["raw"], options["show_config"], options["as_json"])) > 1:
        raise UsageError("--raw, --config and --json exclude each other", hint="name one of them")
    with opened_places(options) as places:
        found = api.inspect(parse_location(image), places, platform=chosen_platform(options["platform"]))
    if options["raw"]:
        sys.stdout.buffer.write(found.root.document.raw)
    elif options["show_config"]:
        sys.stdout.buffer.write(_the_config(found))
    elif options["as_json"]:
        print_json(inspection_as_json(found))
    else:
        click.echo(inspection_as_text(found), nl=False)


def _the_config(found: api.Inspection) -> bytes:
    if len(found.configs) != 1:
        known = ", ".join(sorted(str(config.platform) for config in found.configs.values()))
        raise UsageError(
            f"{found.location} has {len(found.configs)} configs", hint=f"choose a platform with --platform: {known}"
        )
    (config,) = found.configs.values()
    return config.raw
