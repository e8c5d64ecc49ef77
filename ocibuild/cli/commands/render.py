"""`ocibuild render`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import json_option, spec_options, subcommand
from ocibuild.cli.results import print_json
from ocibuild.cli.session import facts, overrides, spec_files


@subcommand("render", "ocibuild render --set version=1.2.3", "ocibuild render --json | jq '.specs[0].tags'")
@spec_options
@json_option
def command(**options: Any) -> None:
    """Print each spec as it will be built, once for each platform, with its variables and templates filled in."""
    documents = api.render(spec_files(options), overrides(options), facts())
    if options["as_json"]:
        print_json({"specs": list(documents)})
    else:
        click.echo(api.as_yaml(documents), nl=False)
