"""`ocibuild attach`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import (
    KeyValue,
    artifact_type,
    option,
    platform_option,
    progress_options,
    registry_options,
    subcommand,
)
from ocibuild.cli.session import chosen_platform, opened_places
from ocibuild.oci.location import RegistryLocation, parse_location


@subcommand(
    "attach",
    "ocibuild attach ghcr.io/octocat/hello:1.2.3 sbom.spdx.json --type application/spdx+json",
    "ocibuild attach oci:.ocibuild/layout notes.txt --type application/vnd.example.notes",
)
@click.argument("image")
@click.argument("file", type=click.Path(path_type=Path))
@option("--type", "artifact_type", type=artifact_type, required=True, metavar="TYPE",
        help="What it is: the artifact type, a media type, or `spdx` or `cyclonedx` (as JSON) for short.")  # fmt: skip
@option("--media-type", metavar="TYPE", help="The media type of the file alone. Default: that of --type.")
@option("--annotation", "annotations", multiple=True, type=KeyValue(), help="Add an annotation to it; may be repeated.")
@platform_option
@progress_options
@registry_options
def command(image: str, file: Path, **options: Any) -> None:
    """Attach FILE to IMAGE (a reference, or oci:DIR[:NAME]) and print where it is, by digest.

    It becomes an artifact whose `subject` is the image: of several platforms, their index. The image does not change. Where
    a registry does not list such artifacts itself, a tag made of the image's digest does.
    """
    location = parse_location(image)
    attachment = api.Attachment(
        file,
        options["artifact_type"],
        media_type=options["media_type"],
        annotations=dict(options["annotations"]),
        epoch=os.environ.get("SOURCE_DATE_EPOCH"),
    )
    with opened_places(options) as places:
        artifact = api.attach(location, attachment, places, platform=chosen_platform(options["platform"]))
    if isinstance(location, RegistryLocation):
        click.echo(str(location.reference.with_digest(artifact.digest)))
    else:
        click.echo(str(artifact.digest))
