"""`ocibuild serve`."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable, say
from ocibuild.cli.options import WholeNumber, option, subcommand
from ocibuild.cli.progress import progress
from ocibuild.errors import UsageError
from ocibuild.oci.location import LayoutLocation, parse_location


class _Layout(click.Path):
    """A layout by its directory, with or without the `oci:` that it has elsewhere."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del param, ctx
        text = os.fspath(value)
        is_place = text.startswith(("oci:", "oci-archive:", "docker-archive:"))
        place = parse_location(text) if is_place else LayoutLocation(text)
        if not isinstance(place, LayoutLocation):
            raise UsageError(f"{text} is an archive, and a layout is served", hint=_unpacking(text))
        if place.name:
            raise UsageError(f"{text} is one image, and a whole layout is served", hint=f"name oci:{place.path}")
        if os.path.isfile(place.path):
            hint = _unpacking(f"oci-archive:{place.path}")
            raise UsageError(f"{place.path} is a file, and a layout is a directory", hint=hint)
        return place.path


def _unpacking(archive: str) -> str:
    return f"`ocibuild copy {archive} oci:DIR` makes a layout of an archive; then serve DIR"


@subcommand(
    "serve",
    "ocibuild serve",
    "ocibuild serve --port 0 /tmp/registry",
    "podman pull --tls-verify=false 127.0.0.1:5000/octocat/hello:1.0",
)
@click.argument("directory", default=api.DEFAULT_OUTPUT.path, metavar="[DIR]", type=_Layout(file_okay=False))
@option("--host", default="127.0.0.1", metavar="ADDRESS", show_default=True, help="The address to listen at.")
@option(
    "--port",
    default=5000,
    metavar="N",
    show_default=True,
    type=WholeNumber(0, 65535),
    help="The port to listen at; 0 takes a free one.",
)
@option("--read-only", is_flag=True, help="Refuse to change anything.")
@option(
    "--allow-remote",
    is_flag=True,
    help="Let ADDRESS be one that other machines reach: whoever does may push and delete.",
)
@option("-v", "--verbose", is_flag=True, help="Show each request.")
def command(directory: str, verbose: bool, **options: Any) -> None:
    """Serve the image layout DIR as a registry on this machine, for development and tests. Ends with Ctrl-C.

    Prints the registry's URL once it takes requests. What `ocibuild build` put into DIR is there under its name without
    the host: ghcr.io/octocat/hello:1.0 is 127.0.0.1:5000/octocat/hello:1.0; images without a name are in the repository
    `layout`. What is pushed is named localhost/..., and stays in DIR as in any layout.

    Not a production registry: no accounts, no TLS, no garbage collection.
    """
    trace = (lambda line: say(printable(line))) if verbose else None
    with progress("plain") as emit, api.serve(directory, trace=trace, emit=emit, **options) as server:
        say("for development and tests, not a production registry: no accounts, no TLS")
        click.echo(server.url)
        sys.stdout.flush()
        server.wait()
