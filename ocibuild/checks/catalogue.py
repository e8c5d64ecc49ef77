"""All rules, in the order in which they are listed and applied."""

from __future__ import annotations

from typing import Any

from ocibuild.checks import image_rules, label_limits
from ocibuild.checks.rule import Rule, Scope
from ocibuild.errors import UsageError

RULES: tuple[Rule[Any], ...] = (
    *label_limits.LIMIT_RULES,
    *image_rules.RULES,
)


def rules_for(scope: Scope) -> tuple[Rule[Any], ...]:
    """The rules that look at subjects of `scope`."""
    return tuple(rule for rule in RULES if scope in rule.scopes)


def rule_named(name: str) -> Rule[Any]:
    """The rule of this id. UsageError, with the nearest that there is, for an unknown one."""
    for rule in RULES:
        if rule.id == name:
            return rule
    from difflib import get_close_matches

    near = get_close_matches(name, [rule.id for rule in RULES], 1)
    hint = f"did you mean `{near[0]}`?" if near else "`ocibuild rules` lists them"
    raise UsageError(f"there is no rule {name!r}", hint=hint)
