"""`ocibuild ls`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable
from ocibuild.cli.options import DEFAULT_OUTPUT, json_option, progress_options, registry_options, subcommand
from ocibuild.cli.results import print_json, table
from ocibuild.cli.session import opened_places
from ocibuild.oci.location import RegistryLocation, parse_location
from ocibuild.oci.platform import Platform


@subcommand("ls", "ocibuild ls", "ocibuild ls ghcr.io/octocat/hello")
@click.argument("place", default=DEFAULT_OUTPUT)
@json_option
@progress_options
@registry_options
def command(place: str, **options: Any) -> None:
    """List the tags of a repository (HOST/REPOSITORY), or the images of a layout or an archive.

    Without PLACE, the images of the layout that `ocibuild build` writes to.
    """
    location = parse_location(place)
    with opened_places(options) as places:
        if isinstance(location, RegistryLocation):
            _show_tags(location.reference.name, api.tags(location, places), as_json=options["as_json"])
        else:
            _show_images(api.images(location), as_json=options["as_json"])


def _show_tags(repository: str, tags: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"name": repository, "tags": list(tags)})
    else:
        for tag in tags:
            click.echo(printable(tag))


def _show_images(images: Sequence[tuple[api.Entry, Sequence[Platform]]], *, as_json: bool) -> None:
    if as_json:
        print_json({"images": [_image_as_json(entry, platforms) for entry, platforms in images]})
        return
    rows = [
        (
            entry.reference.name if entry.reference else "<none>",
            entry.tag or "<none>",
            str(entry.descriptor.digest),
            ",".join(map(str, platforms)),
        )
        for entry, platforms in images
    ]
    click.echo(table(("REPOSITORY", "TAG", "DIGEST", "PLATFORM"), rows), nl=False)


def _image_as_json(entry: api.Entry, platforms: Sequence[Platform]) -> dict[str, Any]:
    return {
        "name": entry.reference.name if entry.reference else None,
        "tag": entry.tag,
        "digest": str(entry.descriptor.digest),
        "mediaType": entry.descriptor.media_type,
        "platforms": [str(platform) for platform in platforms],
    }
