"""A rule as data: what it is called, how much it matters, what it looks at, and the function that finds breaches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from ocibuild.findings import Finding, Place, Severity

Subject = TypeVar("Subject")

_LINE_LIMIT = 1000


class Scope(StrEnum):
    """What a rule looks at: a spec, the labels or annotations of anything, a workflow's step that builds an image, the documents
    of an image, all of its bytes, a waiver."""

    SPEC = "spec"
    LABELS = "labels"
    WORKFLOW = "workflow"
    IMAGE = "image"
    CONTENT = "content"
    WAIVER = "waiver"


@dataclass(frozen=True, slots=True)
class Fault:
    """One breach, as a rule tells it: what is wrong, where, and how to mend it. One line each."""

    message: str
    place: Place
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject]):
    """A rule under a stable id. `check` yields the faults of a subject in the order of their places.

    The docstring of `check` is the rule's documentation: what it finds, then paragraphs that begin with `Why:`, `Source:`
    and `Mend:`. A rule of several scopes asks of its subject only what all of them have.
    """

    id: str
    severity: Severity
    title: str
    scopes: tuple[Scope, ...]
    check: Callable[[Subject], Iterable[Fault]]

    @property
    def explanation(self) -> str:
        """The documentation of the rule, in paragraphs."""
        return inspect.getdoc(self.check) or ""

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """What the rule has against `subject`."""
        for fault in self.check(subject):
            hint = None if fault.hint is None else _line(fault.hint)
            yield Finding(self.id, _line(fault.message), fault.place, hint, self.severity)


def _line(text: str) -> str:
    """Text as one line that is not endless, whatever of an image is quoted in it."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return text if len(text) <= _LINE_LIMIT else f"{text[:_LINE_LIMIT]}..."


def hint_for(name: str, known: Collection[str]) -> str:
    """What to write instead of the id of a rule that there is not."""
    from difflib import get_close_matches

    if name.startswith("spec-"):
        return "it says that the spec is not of the form that `ocibuild schema` describes, and has to be mended"
    near = get_close_matches(name, known, 1)
    return f"did you mean `{near[0]}`?" if near else "`ocibuild rules` lists them"


def judge(rules: Iterable[Rule[Any]], subject: object) -> tuple[Finding, ...]:
    """What `rules` have against `subject`, in the order of the rules, each fault once."""
    return tuple(dict.fromkeys(finding for rule in rules for finding in rule.findings(subject)))
