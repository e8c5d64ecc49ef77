"""`ocibuild serve`."""

from __future__ import annotations

import sys
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable, say
from ocibuild.cli.options import WholeNumber, option, subcommand
from ocibuild.cli.progress import progress


@subcommand(
    "serve",
    "ocibuild serve",
    "ocibuild serve --port 0 /tmp/registry",
    "podman pull --tls-verify=false 127.0.0.1:5000/octocat/hello:1.0",
)
@click.argument("directory", default=api.DEFAULT_OUTPUT.path, metavar="[DIR]", type=click.Path(file_okay=False))
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
