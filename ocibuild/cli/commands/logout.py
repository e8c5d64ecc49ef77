"""`ocibuild logout`."""

from __future__ import annotations

import click

from ocibuild import api
from ocibuild.cli.messages import say
from ocibuild.cli.options import subcommand


@subcommand("logout", "ocibuild logout ghcr.io")
@click.argument("registry")
def command(registry: str) -> None:
    """Forget the credentials that are stored for REGISTRY."""
    place = api.logout(registry)
    if place:
        say(f"logged out of {registry}; removed from {place}")
    else:
        say(f"there are no stored credentials for {registry}")
