"""All rules, in the order in which they are listed and applied."""

from __future__ import annotations

from typing import Any

from ocibuild.checks import (
    features,
    image_annotations,
    image_contents,
    image_documents,
    image_layers,
    image_rules,
    label_keys,
    label_licenses,
    label_limits,
    label_links,
    label_policy,
    label_values,
    names,
    secrets,
    spec_config,
    spec_layers,
    spec_names,
    waivers,
)
from ocibuild.checks.rule import Rule, Scope, hint_for
from ocibuild.errors import UsageError

RULES: tuple[Rule[Any], ...] = (
    *label_keys.RULES,
    *label_links.RULES,
    *label_limits.LIMIT_RULES,
    *label_licenses.RULES,
    *label_values.RULES,
    *label_policy.RULES,
    *secrets.LABEL_RULES,
    *names.RULES,
    *spec_names.RULES,
    *secrets.RULES,
    *spec_config.RULES,
    *spec_layers.RULES,
    *features.RULES,
    *image_rules.RULES,
    *image_documents.RULES,
    *image_annotations.RULES,
    *image_contents.RULES,
    *image_layers.RULES,
    *waivers.RULES,
)


def rules_for(scope: Scope) -> tuple[Rule[Any], ...]:
    """The rules that look at subjects of `scope`."""
    return tuple(rule for rule in RULES if scope in rule.scopes)


def rule_named(name: str) -> Rule[Any]:
    """The rule of this id. UsageError, with the nearest that there is, for an unknown one."""
    for rule in RULES:
        if rule.id == name:
            return rule
    raise UsageError(f"there is no rule {name!r}", hint=hint_for(name, [rule.id for rule in RULES]))
