"""`ocibuild login`."""

from __future__ import annotations

import sys
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import say
from ocibuild.cli.options import option, registry_options, subcommand, verbose_option
from ocibuild.cli.session import registry_settings
from ocibuild.errors import UsageError
from ocibuild.events import silent


@subcommand("login", "echo $CR_PAT | ocibuild login ghcr.io -u octocat --password-stdin")
@click.argument("registry")
@option("-u", "--username", metavar="NAME", help="Who to log in as. Asked for on a terminal.")
@option("--password-stdin", is_flag=True, help="Read the password or token from standard input.")
@verbose_option
@registry_options
def command(registry: str, username: str | None, password_stdin: bool, **options: Any) -> None:
    """Try a user name and a password or token at REGISTRY, and store them for later commands.

    They go where docker keeps them: to the credential helper that is configured, else into config.json (mode 0600).
    """
    api.parse_registry(registry)  # a password is asked for only where there is a registry to try it at
    user = username or _ask("user name", hide=False)
    secret = sys.stdin.readline().rstrip("\n") if password_stdin else _ask("password or token", hide=True)
    if not secret:
        raise UsageError("the password is empty", hint="pipe it in: echo $TOKEN | ocibuild login ... --password-stdin")
    kept = api.login(registry, user, secret, registry_settings(options, silent))
    say(f"logged in to {registry} as {user}; stored in {kept}")


def _ask(what: str, *, hide: bool) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"there is no terminal to ask for the {what}", hint="use --username NAME and --password-stdin")
    answer: str = click.prompt(what, hide_input=hide, err=True)
    return answer
