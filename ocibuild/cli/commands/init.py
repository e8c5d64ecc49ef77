"""`ocibuild init`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ocibuild.cli.messages import say
from ocibuild.cli.options import DEFAULT_FILE, subcommand
from ocibuild.cli.starter import starter_spec
from ocibuild.errors import BuildError, UsageError


@subcommand("init", "ocibuild init", "ocibuild init images/hello.yaml")
@click.argument("path", default=DEFAULT_FILE, type=click.Path(dir_okay=False, path_type=Path))
def command(path: Path) -> None:
    """Write a commented starter spec (ocibuild.yaml unless PATH says otherwise) that builds as it is."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter_spec())
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", hint="name another file: ocibuild init PATH") from error
    except OSError as error:
        hint = (
            f"make its directory first: mkdir -p {shlex.quote(str(path.parent))}" if not path.parent.is_dir() else None
        )
        raise BuildError(f"{path} cannot be written: {error.strerror}", hint=hint) from error
    click.echo(str(path))
    option = "" if str(path) == DEFAULT_FILE else f" -f {shlex.quote(str(path))}"
    say(f"Next: change `image` and `layers`, then\n  ocibuild build{option}\n  ocibuild push{option}")
