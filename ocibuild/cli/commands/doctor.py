"""`ocibuild doctor`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable, say
from ocibuild.cli.options import json_option, progress_options, registry_options, subcommand
from ocibuild.cli.results import print_json
from ocibuild.cli.session import opened_places, registry_reference
from ocibuild.cli.terminal import paint
from ocibuild.errors import AuthError, RegistryError

_SIGNS = {True: "yes", False: "no", None: "?"}


@subcommand("doctor", "ocibuild doctor ghcr.io/octocat/hello")
@click.argument("reference")
@json_option
@progress_options
@registry_options
def command(reference: str, **options: Any) -> int:
    """Try what the registry of REFERENCE (HOST/REPOSITORY) lets you do, and say how to mend what it does not.

    Shows which credentials were used and from where, and whether pull, push, mount, referrers and delete work. Leaves
    nothing behind. Exits with 4 if the registry cannot be reached, with 5 if it lets you neither pull nor push.
    """
    with opened_places(options) as places:
        probes = api.examine(registry_reference(reference), places)
    works = {probe.name: probe.works for probe in probes}
    if options["as_json"]:
        print_json({"name": reference, "probes": [_as_json(probe) for probe in probes]})
    else:
        for probe in probes:
            click.echo(f"{probe.name:<12} {_SIGNS[probe.works]:<4} {printable(probe.detail)}".rstrip())
            if probe.hint:
                say(f"  {paint('hint:', 'green')} {printable(probe.hint)}")
    if not works.get("contact"):
        return RegistryError.exit_code
    return AuthError.exit_code if works.get("pull") is False and works.get("push") is False else 0


def _as_json(probe: Any) -> dict[str, Any]:
    return {"name": probe.name, "works": probe.works, "detail": probe.detail, "hint": probe.hint}
