"""`ocibuild rules`."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import json_option, option, subcommand
from ocibuild.cli.results import print_json, table
from ocibuild.errors import UsageError


@subcommand("rules", "ocibuild rules", "ocibuild rules source-missing", "ocibuild rules --profiles")
@click.argument("rule", required=False)
@option("--profiles", is_flag=True, help="List the limits of registries and runtimes, and where each is written down.")
@json_option
def command(rule: str | None, **options: Any) -> None:
    """List the rules that `lint`, `verify` and `push` apply, or explain one RULE: what it finds, why, and how to mend it."""
    if rule and options["profiles"]:
        raise UsageError("RULE and --profiles exclude each other", hint="name one of them")
    if options["profiles"]:
        _show_profiles(as_json=options["as_json"])
    elif options["as_json"]:
        print_json({"rules": [_as_json(each) for each in ([api.rule_named(rule)] if rule else api.RULES)]})
    elif rule:
        click.echo(_explained(api.rule_named(rule)))
    else:
        rows = [(each.id, each.severity.value, ", ".join(each.scopes), each.title) for each in api.RULES]
        click.echo(table(("RULE", "SEVERITY", "OF", "WHAT IT FINDS"), rows), nl=False)


def _explained(rule: api.Rule[Any]) -> str:
    return f"{rule.id} ({rule.severity.value}; of: {', '.join(rule.scopes)})\n\n{rule.title}.\n\n{rule.explanation}"


def _as_json(rule: api.Rule[Any]) -> dict[str, Any]:
    return {
        "id": rule.id,
        "severity": rule.severity.value,
        "scopes": [scope.value for scope in rule.scopes],
        "title": rule.title,
        "explanation": rule.explanation,
    }


def _show_profiles(*, as_json: bool) -> None:
    rows = [
        (profile.name, field.name, getattr(profile, field.name), dict(profile.sources)[field.name])
        for profile in api.PROFILES
        for field in fields(profile)
        if field.name not in api.NO_LIMITS and field.name in dict(profile.sources)
    ]
    if as_json:
        names = ("profile", "limit", "value", "source")
        print_json({"limits": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        shown = [(name, limit, _shown(value), source) for name, limit, value, source in rows]
        click.echo(table(("PROFILE", "LIMIT", "VALUE", "SOURCE"), shown), nl=False)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:,}"
