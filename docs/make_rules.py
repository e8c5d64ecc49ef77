"""Writes docs/rules.md from the rules themselves: run `python docs/make_rules.py` when one has changed."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from ocibuild import api

_TARGET = Path(__file__).with_name("rules.md")
_HEAD = """# Rules

What `ocibuild lint`, `verify` and `push` check. This file is made by `docs/make_rules.py`; `ocibuild rules RULE` says the same.

An error fails the command, a warning does so with `--strict`. To let a finding of `lint` pass, write a comment on its line or
above it, `# ocibuild: ignore[RULE] reason`; in a Dockerfile it can only stand above. To let all of a rule pass, at a push too, put
`{rule: RULE, reason: ..., expires: 2030-12-31}` under `waivers` in the spec.
"""


def rules_page() -> str:
    """The whole page."""
    table = ["| rule | severity | of | finds |", "| --- | --- | --- | --- |"]
    table += [
        f"| [{rule.id}](#{rule.id}) | {rule.severity.value} | {', '.join(rule.scopes)} | {rule.title} |"
        for rule in api.RULES
    ]
    return "\n".join([_HEAD, *table, "", *map(_section, api.RULES), *_profiles()])


def _section(rule: api.Rule[Any]) -> str:
    lines = rule.explanation.splitlines()
    marked = [f"\n**{word}:**{rest}" if (word := line.partition(":")[0]) in ("Why", "Source", "Mend") else line
              for line in lines for rest in [line.partition(":")[2]]]  # fmt: skip
    text = "\n".join(marked).replace("\n\n\n", "\n\n")
    return f"## {rule.id}\n\n{rule.title} ({rule.severity.value}).\n\n{text}\n"


def _profiles() -> list[str]:
    rows = [
        f"| {profile.name} | {field.name} | {getattr(profile, field.name)} | {sources[field.name]} |"
        for profile in api.PROFILES
        for sources in [dict(profile.sources)]
        for field in fields(profile)
        if field.name in sources
    ]
    head = [
        "## Profiles",
        "",
        "Sizes are in bytes, lengths in characters. What is not listed is not known, and not checked.",
        "",
    ]
    return [*head, "| profile | limit | value | source |", "| --- | --- | --- | --- |", *rows, ""]


if __name__ == "__main__":
    _TARGET.write_text(rules_page(), encoding="utf-8")
