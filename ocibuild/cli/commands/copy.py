"""`ocibuild copy`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import jobs_option, platform_option, progress_options, registry_options, subcommand
from ocibuild.cli.session import chosen_platform, opened_places
from ocibuild.oci.location import RegistryLocation, parse_location


@subcommand(
    "copy",
    "ocibuild copy ghcr.io/octocat/hello:1.2.3 registry.example/mirror/hello:1.2.3",
    "ocibuild copy oci:.ocibuild/layout:1.2.3 docker-archive:hello.tar --platform linux/amd64",
)
@click.argument("source")
@click.argument("destination")
@platform_option
@jobs_option
@progress_options
@registry_options
def command(source: str, destination: str, **options: Any) -> None:
    """Copy an image from SOURCE to DESTINATION and print where it is, by digest.

    Each is a registry reference, oci:DIR[:NAME], oci-archive:FILE or docker-archive:FILE. Digests do not change.
    """
    target = parse_location(destination)
    with opened_places(options) as places:
        descriptor = api.copy(
            parse_location(source),
            target,
            places,
            platform=chosen_platform(options["platform"]),
            jobs=options["jobs"] or api.UPLOADS,
        )
    if isinstance(target, RegistryLocation):
        click.echo(str(target.reference.with_digest(descriptor.digest)))
    else:
        click.echo(str(descriptor.digest))
