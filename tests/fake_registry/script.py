"""The rules of one server: scripted ones are taken one per request and in order, quirks all apply."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from .messages import Request
from .rules import Rule


@dataclass(frozen=True, slots=True)
class Cast:
    """What applies to one request: at most one scripted rule, and every quirk that matches."""

    scripted: Rule | None
    quirks: tuple[Rule, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The scripted rule first: where only one can win, it does."""
        return (self.scripted, *self.quirks) if self.scripted else self.quirks


class Script:
    """Rules that tests add while requests come in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._quirks: list[Rule] = []

    def add(self, rule: Rule) -> Rule:
        with self._lock:
            self._rules.append(rule)
        return rule

    def add_quirk(self, rule: Rule) -> Rule:
        with self._lock:
            self._quirks.append(rule)
        return rule

    def cast(self, request: Request, *, admitted: bool) -> Cast:
        """Choose and count the rules; a request that authorization refuses only meets rules with `before_auth`."""
        with self._lock:
            open_rules = [rule for rule in self._rules if admitted or rule.before_auth]
            open_quirks = [rule for rule in self._quirks if admitted or rule.before_auth]
            scripted = next((rule for rule in open_rules if rule.takes(request)), None)
            return Cast(scripted, tuple(rule for rule in open_quirks if rule.takes(request)))

    def unused(self) -> list[Rule]:
        """Scripted rules with a number of times that were not used up."""
        with self._lock:
            return [rule for rule in self._rules if rule.unused]
