"""`ocibuild copy`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import (
    jobs_option,
    option,
    platform_option,
    progress_options,
    registry_options,
    subcommand,
)
from ocibuild.cli.session import chosen_platform, opened_places
from ocibuild.errors import UsageError
from ocibuild.oci.digest import Digest
from ocibuild.oci.location import Location, RegistryLocation, parse_location


@subcommand(
    "copy",
    "ocibuild copy ghcr.io/octocat/hello:1.2.3 registry.example/mirror/hello:1.2.3",
    "ocibuild copy --all-tags --referrers ghcr.io/octocat/hello oci:backup",
    "ocibuild copy oci:.ocibuild/layout:1.2.3 docker-archive:hello.tar --platform linux/amd64",
)
@click.argument("source")
@click.argument("destination")
@platform_option
@option("--all-tags", is_flag=True, help="All tags of the repository SOURCE, to a repository or into a layout.")
@option("--referrers", is_flag=True, help="Also what refers to the image, such as SBOMs and signatures, and to that.")
@option("--digest-tags", is_flag=True, help="Also the tags sha256-DIGEST... that cosign and others make for the image.")
@jobs_option
@progress_options
@registry_options
def command(source: str, destination: str, **options: Any) -> None:
    """Copy an image from SOURCE to DESTINATION and print where it is, by digest.

    Each is a registry reference, oci:DIR[:NAME], oci-archive:FILE or docker-archive:FILE. Digests do not change, and what
    the destination holds already is not fetched again.
    """
    origin, target = parse_location(source), parse_location(destination)
    along = api.Along(referrers=options["referrers"], digest_tags=options["digest_tags"])
    jobs = options["jobs"] or api.UPLOADS
    if options["all_tags"] and options["platform"]:
        raise UsageError("--all-tags and --platform exclude each other", hint="copy tag by tag to choose a platform")
    with opened_places(options) as places:
        if options["all_tags"]:
            names = [str(name) for name in api.copy_tags(origin, target, places, along=along, jobs=jobs)]
        else:
            platform = chosen_platform(options["platform"])
            image = api.copy(origin, target, places, platform=platform, along=along, jobs=jobs)
            names = [_name(target, image.digest)]
    for name in names:
        click.echo(name)


def _name(target: Location, digest: Digest) -> str:
    return str(target.reference.with_digest(digest) if isinstance(target, RegistryLocation) else digest)
