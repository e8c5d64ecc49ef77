"""What a policy asks of labels: which have to be there, and what they have to be."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild.checks.labels import LABELS, LabelSet
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.value_types import JUDGES
from ocibuild.errors import UsageError
from ocibuild.findings import Severity
from ocibuild.policy import Demand
from ocibuild.regexes import fits, parse_regex


def _missing(labels: LabelSet) -> Iterator[Fault]:
    """A label that the policy requires is not there.

    Why: whoever wrote the policy relies on it.
    Source: your policy file, or the `policy` of the spec.
    Mend: add the label; an empty one does not count.
    """
    if labels.policy is None or labels.level != LABELS or not labels.complete:
        return
    for key, demand in labels.policy.labels.items():
        entry = labels.get(key)
        if demand.required and (entry is None or entry.value == ""):
            hint = f"add it: {demand.description}" if demand.description else "add it"
            place = entry.place if entry else labels.place
            yield Fault(f"the policy requires the label `{key}`", place, hint)


def _bad_value(labels: LabelSet) -> Iterator[Fault]:
    """A label is not what the policy asks for: its type, pattern, length, or one of the values it lists.

    Why: whoever wrote the policy relies on it.
    Source: your policy file, or the `policy` of the spec.
    Mend: write such a value.
    """
    if labels.policy is None:
        return
    for entry, value in labels.known():
        demand = labels.policy.labels.get(entry.key)
        if demand is not None and value:
            for problem in _problems(demand, value):
                hint = f"it is for: {demand.description}" if demand.description else "see the policy"
                yield Fault(f"`{entry.key}` {problem}", entry.place, hint)


def _problems(demand: Demand, value: str) -> Iterator[str]:
    judge, words = JUDGES[demand.type]
    if not judge(value):
        yield f"has to be {words}"
    if demand.enum and value not in demand.enum:
        yield f"has to be one of {', '.join(demand.enum)}"
    if demand.pattern is not None:
        yield from _pattern_problems(demand.pattern, value)
    if demand.max_length is not None and len(value) > demand.max_length:
        yield f"has {len(value)} characters; the policy allows {demand.max_length}"


def _pattern_problems(pattern: str, value: str) -> Iterator[str]:
    try:
        if not fits(parse_regex(pattern), value):
            yield f"does not fit the pattern {pattern}"
    except UsageError as error:
        yield f"cannot be compared with its pattern: {error.what}"


def _unknown(labels: LabelSet) -> Iterator[Fault]:
    """A label that a strict policy does not name.

    Why: with `strict: true` a policy lists all labels that there may be.
    Source: your policy file, or the `policy` of the spec.
    Mend: drop the label, or add it to the policy.
    """
    if labels.policy is not None and labels.policy.strict and labels.level == LABELS:
        for entry in labels.entries:
            if entry.key not in labels.policy.labels:
                yield Fault(
                    f"the policy knows no label `{entry.key}`", entry.at_key, "drop it, or add it to the policy"
                )


_LABELS = (Scope.LABELS,)
RULES: tuple[Rule[LabelSet], ...] = (
    Rule("policy-missing-label", Severity.ERROR, "A label that the policy requires is missing", _LABELS, _missing),
    Rule("policy-bad-value", Severity.ERROR, "A label is not what the policy asks for", _LABELS, _bad_value),
    Rule("policy-unknown-label", Severity.ERROR, "A label is not in the strict policy", _LABELS, _unknown),
)
