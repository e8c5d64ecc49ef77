"""All rules, in the order in which they are listed and applied."""

from __future__ import annotations

from dataclasses import dataclass
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
    spec_version,
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
    *spec_version.RULES,
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


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rules are applied: those of `select`, or all if it is empty, but for those of `ignore`. UsageError for unknown ids."""

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in sorted(self.select | self.ignore):
            rule_named(name)

    def rules(self, scope: Scope) -> tuple[Rule[Any], ...]:
        """The rules that look at subjects of `scope`."""
        chosen = (rule for rule in RULES if not self.select or rule.id in self.select)
        return tuple(rule for rule in chosen if rule.id not in self.ignore and scope in rule.scopes)


def rule_named(name: str) -> Rule[Any]:
    """The rule of this id. UsageError, with the nearest that there is, for an unknown one."""
    for rule in RULES:
        if rule.id == name:
            return rule
    raise UsageError(f"there is no rule {name!r}", hint=hint_for(name, [rule.id for rule in RULES]))
