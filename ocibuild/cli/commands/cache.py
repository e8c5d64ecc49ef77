"""`ocibuild cache`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import ByteSize, SectionedCommand, cache_dir_option, json_option, option
from ocibuild.cli.results import print_json
from ocibuild.sizes import human_size


@click.group("cache", no_args_is_help=False)
def command() -> None:
    """What builds remember of layers, so that unchanged ones are not made again. It may be deleted at any time."""


@command.command("info", cls=SectionedCommand, examples=("ocibuild cache info",))
@cache_dir_option
@json_option
def info(cache_dir: Path | None, as_json: bool) -> None:
    """Show where the cache is and what it holds."""
    found = api.usage(cache_dir or api.cache_directory())
    if as_json:
        print_json(_as_json(found))
        return
    click.echo(f"Directory:  {found.directory}")
    click.echo(f"Layers:     {found.records}")
    click.echo(f"Blobs:      {found.blobs}")
    click.echo(f"Size:       {human_size(found.size)}")


@command.command(
    "prune", cls=SectionedCommand, examples=("ocibuild cache prune", "ocibuild cache prune --max-size 2GB")
)
@option(
    "--max-size",
    type=ByteSize(),
    default="0",
    metavar="SIZE",
    help="Leave this much of what was used last. Default: nothing.",
)
@cache_dir_option
@json_option
def prune(max_size: float, cache_dir: Path | None, as_json: bool) -> None:
    """Remove what was not used for the longest time. Builds that run meanwhile go on, and make again what they miss."""
    before, after = api.prune(cache_dir or api.cache_directory(), int(max_size))
    if as_json:
        print_json({**_as_json(after), "removed": before.size - after.size})
    else:
        click.echo(f"removed {human_size(before.size - after.size)}, {human_size(after.size)} left")


def _as_json(found: api.Usage) -> dict[str, Any]:
    return {
        "directory": str(found.directory),
        "layers": found.records,
        "blobs": found.blobs,
        "size": found.size,
    }
