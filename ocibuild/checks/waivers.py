"""What lets findings pass, each with a reason: the `waivers` of a spec, and comments on a line or above it.

# ocibuild: ignore[source-missing] built for tests only
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from ocibuild.checks.rule import Fault, Rule, Scope, hint_for
from ocibuild.findings import Finding, Place, Severity
from ocibuild.policy import Waiver

_COMMENT = re.compile(r"(?:^|\s)#\s*ocibuild:\s*ignore\[([^\]\n]*)\]([^\n]*)")


@dataclass(frozen=True, slots=True)
class WaiverUse:
    """A waiver and what became of it. `can_apply` says whether its rule was applied here at all; `known` are all rules."""

    waiver: Waiver
    is_used: bool
    can_apply: bool
    known: Collection[str]
    today: date

    @property
    def is_expired(self) -> bool:
        return self.waiver.expires is not None and self.waiver.expires < self.today


def comment_waivers(file: str, text: str) -> tuple[Waiver, ...]:
    """The waivers in the comments of a file. A comment alone on its line is for the next line that is no comment."""
    if "ocibuild:" not in text:
        return ()
    lines = text.splitlines()
    return tuple(waiver for number, line in enumerate(lines, 1) for waiver in _on_line(file, lines, number, line))


def _on_line(file: str, lines: Sequence[str], number: int, line: str) -> Iterator[Waiver]:
    found = _COMMENT.search(line)
    if found is None:
        return
    target = number
    while target <= len(lines) and lines[target - 1].lstrip().startswith("#"):
        target += 1
    place = Place(file, number, found.start() + 1 + line[found.start() :].index("#"), line, 1)
    for rule in found[1].split(","):
        yield Waiver(rule.strip(), found[2].strip(), place, line=target)


def waive(
    findings: Sequence[Finding], waivers: Sequence[Waiver], today: date
) -> tuple[list[Finding], list[tuple[Finding, Waiver]]]:
    """The findings that remain, and those that pass with the waiver that lets them."""
    valid = [one for one in waivers if one.reason and (one.expires is None or one.expires >= today)]
    kept: list[Finding] = []
    passed: list[tuple[Finding, Waiver]] = []
    for finding in findings:
        waiver = next((one for one in valid if _covers(one, finding)), None)
        if waiver is None:
            kept.append(finding)
        else:
            passed.append((finding, waiver))
    return kept, passed


def _covers(waiver: Waiver, finding: Finding) -> bool:
    if waiver.rule != finding.rule:
        return False
    place = finding.place or Place("")
    return waiver.line is None or (waiver.place.file, waiver.line) == (place.file, place.line)


def waiver_uses(
    waivers: Iterable[Waiver],
    passed: Iterable[tuple[Finding, Waiver]],
    applied: Collection[str],
    known: Collection[str],
    today: date,
) -> Iterator[WaiverUse]:
    """What became of each waiver, those that several documents share once. `applied` are the rules that were applied, `known`
    all there are."""
    used = {(waiver.rule, waiver.place) for _, waiver in passed}
    for (rule, place), waiver in {(waiver.rule, waiver.place): waiver for waiver in waivers}.items():
        yield WaiverUse(waiver, (rule, place) in used, rule in applied, known, today)


def _unknown_rule(use: WaiverUse) -> Iterator[Fault]:
    """A waiver names a rule that does not exist.

    Why: it lets nothing pass, and the slip hides behind it. What is wrong with a spec's form (`spec-...`) is no rule.
    Source: `ocibuild rules` lists the rules there are.
    Mend: write the id that the finding shows in brackets.
    """
    if use.waiver.rule not in use.known:
        yield Fault(f"there is no rule `{use.waiver.rule}`", use.waiver.place, hint_for(use.waiver.rule, use.known))


def _no_reason(use: WaiverUse) -> Iterator[Fault]:
    """A comment lets a finding pass without a reason. It does not count.

    Why: nobody can tell later whether the reason still holds.
    Source: our own; a waiver in the `waivers` of a spec has to have one too.
    Mend: write the reason behind the bracket.
    """
    if not use.waiver.reason:
        yield Fault("this waiver gives no reason", use.waiver.place, "write the reason behind the bracket")


def _expired(use: WaiverUse) -> Iterator[Fault]:
    """A waiver's last day has passed. It does not count any more.

    Why: that is what the day was written for.
    Source: `expires` of the waiver.
    Mend: mend what it let pass, or give the waiver another day.
    """
    if use.is_expired:
        message = f"the waiver of `{use.waiver.rule}` expired on {use.waiver.expires}"
        yield Fault(message, use.waiver.place, "mend what it let pass, or give it another day")


def _unused(use: WaiverUse) -> Iterator[Fault]:
    """A waiver lets nothing pass.

    Why: it would let the next fault of its kind pass unseen.
    Source: the findings of the same run.
    Mend: remove it.
    """
    if use.can_apply and not use.is_used and not use.is_expired and use.waiver.reason:
        yield Fault(f"nothing breaks the rule `{use.waiver.rule}` here", use.waiver.place, "remove the waiver")


_WAIVER = (Scope.WAIVER,)
RULES: tuple[Rule[WaiverUse], ...] = (
    Rule("waiver-unknown-rule", Severity.ERROR, "A waiver names no rule", _WAIVER, _unknown_rule),
    Rule("waiver-without-reason", Severity.ERROR, "A waiver gives no reason", _WAIVER, _no_reason),
    Rule("waiver-expired", Severity.WARNING, "A waiver has expired", _WAIVER, _expired),
    Rule("waiver-unused", Severity.WARNING, "A waiver lets nothing pass", _WAIVER, _unused),
)
