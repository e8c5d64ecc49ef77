"""The `policy` and the `waivers` of a spec, and policy files. Neither has templates."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from ocibuild.errors import SpecError, UsageError
from ocibuild.findings import Place
from ocibuild.policy import Demand, LabelPolicy, ValueType, Waiver
from ocibuild.regexes import parse_regex
from ocibuild.spec.complaints import explain
from ocibuild.spec.document import Document
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.nodes import MapNode, span_of
from ocibuild.spec.source import read_source
from ocibuild.spec.values import evaluate, without
from ocibuild.spec.view import View


def read_policy(spec: View) -> LabelPolicy | None:
    """The policy that the spec gives or names."""
    view = spec.get("policy")
    if view is None:
        return None
    if not view.is_text:
        return _policy(view, spec.document.source.name)
    path = span_of(spec.document.root, view.path).source.beside(view.text)
    if not os.path.isfile(path):
        hint = "the path is relative to the file that it stands in"
        view.refuse("spec-bad-path", f"there is no policy file {path}", hint)
        return None
    return _read_file(Path(path), spec.document.ledger)


def load_policy(path: Path) -> LabelPolicy:
    """The policy in a file. SpecError with all that is wrong in it."""
    ledger = Ledger()
    policy = _read_file(path, ledger)
    if policy is None or len(ledger):
        raise SpecError("the policy is wrong", ledger.findings)
    return policy


def read_waivers(spec: View) -> tuple[Waiver, ...]:
    """What the spec lets pass."""
    waivers = []
    for view in spec.items("waivers"):
        rule, reason = view.get("rule"), view.get("reason")
        if rule is not None and reason is not None:
            expires = view.parse_of("expires", _date)
            place = spec.document.place(rule.path)
            waivers.append(Waiver(rule.text, reason.text, place, expires))
    return tuple(waivers)


def _read_file(path: Path, ledger: Ledger) -> LabelPolicy | None:
    from ocibuild.spec.compose import compose
    from ocibuild.spec.schema import breaches_of

    try:
        source = read_source(path)
        roots = compose(source, ledger)
    except SpecError as error:
        ledger.take(error.findings)
        return None
    root = roots[0] if len(roots) == 1 and isinstance(roots[0], MapNode) else None
    if root is None:
        place = source.place(roots[-1].span) if roots else Place(str(path))
        hint = "it has `labels:`, with what each of them has to be"
        ledger.add("spec-wrong-type", "a policy file is one map", place, hint)
        return None
    document = Document(source, root, ledger)
    values = evaluate(root, (), lambda node, _: node.text)
    complaints = [complaint for breach in breaches_of(values, "policy") for complaint in explain(breach)]
    document.enter(complaints)
    usable = without(values, [one.path for one in complaints if not one.usable])
    return _policy(View(document, usable), str(path))


def _policy(view: View, name: str) -> LabelPolicy:
    demands = {key: _demand(entry) for key, entry in view.entries("labels")}
    return LabelPolicy(name, demands, strict=view.text_of("strict") == "true")


def _demand(view: View) -> Demand:
    length = view.text_of("max_length")
    return Demand(
        required=view.text_of("required") == "true",
        type=ValueType(view.text_of("type") or "text"),
        pattern=view.parse_of("pattern", _pattern),
        enum=view.texts_of("enum") or (),
        max_length=int(length) if length else None,
        description=view.text_of("description"),
    )


def _pattern(text: str) -> str:
    parse_regex(text, hint="for example [a-z]+")
    return text


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"there is no day {text}", hint="write it as 2030-12-31") from error
