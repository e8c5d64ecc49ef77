"""`ocibuild schema`."""

from __future__ import annotations

import click

from ocibuild import api
from ocibuild.cli.options import subcommand


@subcommand("schema", "ocibuild schema > ocibuild.v1.json")
def command() -> None:
    """Print the JSON Schema (draft-07) of specs, for editors and other tools."""
    click.echo(api.schema_text(), nl=False)
