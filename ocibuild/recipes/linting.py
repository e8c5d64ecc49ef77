"""What can be said of specs, Dockerfiles and workflows before anything is built: every rule that needs no image, and no network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from ocibuild.checks.catalogue import RULES, Selection
from ocibuild.checks.dockerfile.stages import dockerfile_labels
from ocibuild.checks.labels import Label, LabelSet
from ocibuild.checks.names import ImageName, WorkflowStep
from ocibuild.checks.profiles import Profile, profile_for, profile_named
from ocibuild.checks.rule import Fault, Rule, Scope, judge
from ocibuild.checks.spec_labels import label_sets
from ocibuild.checks.spec_subject import SpecUnderCheck
from ocibuild.checks.waivers import comment_waivers, waive, waiver_uses
from ocibuild.errors import SpecError, UsageError
from ocibuild.findings import Finding, Place, met_in
from ocibuild.policy import LabelPolicy, Waiver
from ocibuild.recipes.lint_contents import Looker
from ocibuild.recipes.lint_files import Kind, files_to_lint
from ocibuild.spec.document import Document
from ocibuild.spec.drafts import Draft, load_drafts
from ocibuild.spec.load import Facts, Overrides, shared_names
from ocibuild.spec.source import read_source
from ocibuild.spec.workflows import BuildStep, load_workflow


@dataclass(frozen=True, slots=True)
class LintTerms:
    """How to lint. `profile` None is that of each image's host; `policy` takes the place of the specs' own. Waivers count as of
    `today`."""

    today: date
    profile: Profile | None = None
    policy: LabelPolicy | None = None
    selection: Selection = field(default_factory=Selection)
    overrides: Overrides = field(default_factory=Overrides)

    def rules(self, scope: Scope) -> tuple[Rule[Any], ...]:
        """The rules of a scope that are to be applied."""
        return self.selection.rules(scope)

    def applied(self, *scopes: Scope) -> set[str]:
        """The ids of the rules of `scopes` that are."""
        return {rule.id for scope in scopes for rule in self.rules(scope)}


@dataclass(frozen=True, slots=True)
class LintReport:
    """What was found, in order of place; what was let pass, with the waiver that does; and the files that were checked."""

    findings: tuple[Finding, ...]
    waived: tuple[tuple[Finding, Waiver], ...]
    files: tuple[Path, ...]


def lint(paths: Sequence[Path], terms: LintTerms, facts: Facts) -> LintReport:
    """Check files, and what is in and below directories. UsageError where there is nothing to check.

    Values that only a build's environment gives are left open. git is asked where a template names it and there is a checkout.
    """
    facts = replace(facts, git=_once_a_checkout(facts.git))
    files = files_to_lint(paths)
    met: dict[Finding, list[str]] = {}
    waived: list[tuple[Finding, Waiver]] = []
    linters = _linters()
    for path, kind in files.items():
        found, passed = linters[kind](path, terms, facts)
        for finding in sorted(found, key=_order):
            met.setdefault(finding, []).append(str(path))
        waived += passed
    # What specs share is read with each of them, and told once.
    findings = met if len(files) == 1 else (met_in(finding, those) for finding, those in met.items())
    return LintReport(tuple(findings), tuple(dict.fromkeys(waived)), tuple(files))


def _order(finding: Finding) -> tuple[str, int, int]:
    place = finding.place or Place("")
    return place.file, place.line or 0, place.column or 0


Linted = tuple[Iterable[Finding], Sequence[tuple[Finding, Waiver]]]


def _lint_spec(path: Path, terms: LintTerms, facts: Facts, *, taken: dict[str, Document]) -> Linted:
    """`taken` are the names of the images of all specs so far: as for builds, what is linted together is built together."""
    drafts, faults = load_drafts(path, terms.overrides, facts)
    looker, blamed = Looker(), {_order(finding) for finding in faults}
    kept: list[Finding] = []
    passed: list[tuple[Finding, Waiver]] = []
    for draft in drafts:
        found = _judge_draft(draft, looker, terms, is_sound=not faults)
        remaining, let = waive([one for one in found if _order(one) not in blamed], _waivers_of(draft), terms.today)
        kept += (*remaining, *shared_names(map(str, draft.plan.references), draft.document, taken))
        passed += let
    # What a shared file lets pass may be another spec's.
    own = [waiver for draft in drafts for waiver in _waivers_of(draft) if waiver.place.file == str(path)]
    applied = set() if faults else terms.applied(Scope.LABELS, Scope.SPEC)
    return (*faults, *dict.fromkeys(kept), *_judge_waivers(own, passed, applied, terms)), tuple(dict.fromkeys(passed))


def _waivers_of(draft: Draft) -> tuple[Waiver, ...]:
    """Those of the document, and those in comments."""
    comments = [waiver for source in draft.sources for waiver in comment_waivers(source.name, source.text)]
    return (*draft.plan.waivers, *comments)


def _judge_draft(draft: Draft, looker: Looker, terms: LintTerms, *, is_sound: bool) -> Iterator[Finding]:
    """What the rules have against a document; of one with faults, only its labels are judged: the rest may be cut short."""
    plan = replace(draft.plan, policy=terms.policy or draft.plan.policy)
    host = plan.image.host if plan.image else None
    profile = terms.profile or (profile_for(host) if host else profile_named("generic"))
    platforms = looker.platforms(plan)
    spec = SpecUnderCheck(plan, draft, platforms, profile, draft.is_whole)
    for labels in label_sets(spec):
        yield from judge(terms.rules(Scope.LABELS), labels)
    if is_sound:
        yield from judge(terms.rules(Scope.SPEC), spec)


def _lint_dockerfile(path: Path, terms: LintTerms, _facts: Facts) -> Linted:
    try:
        text = read_source(path).text
    except SpecError as error:
        return error.findings, ()
    labels = dockerfile_labels(str(path), text, terms.profile or profile_named("generic"), terms.policy)
    found = judge(terms.rules(Scope.LABELS), labels) if labels else ()
    return _waive(found, comment_waivers(str(path), text), terms.applied(Scope.LABELS), terms)


def _lint_workflow(path: Path, terms: LintTerms, _facts: Facts) -> Linted:
    steps, text, faults = load_workflow(path)
    found = tuple(dict.fromkeys(finding for step in steps for finding in _judge_step(step, terms)))
    applied = terms.applied(Scope.LABELS, Scope.WORKFLOW)
    kept, passed = _waive(found, comment_waivers(str(path), text), applied, terms)
    return (*faults, *kept), passed


def _judge_step(step: BuildStep, terms: LintTerms) -> Iterator[Finding]:
    for labels in _label_sets(step, terms):
        yield from judge(terms.rules(Scope.LABELS), labels)
    names = WorkflowStep(tuple(ImageName(text, place) for text, place in step.names))
    yield from judge(terms.rules(Scope.WORKFLOW), names)


def _label_sets(step: BuildStep, terms: LintTerms) -> Iterator[LabelSet]:
    profile = terms.profile or profile_named("generic")
    for level in dict.fromkeys(each.level for each in step.statements):
        said = [each for each in step.statements if each.level == level]
        entries = tuple(Label(each.key, each.value, each.place) for each in said if each.key)
        broken = tuple(
            Fault("this line is no `key=value`", each.place, "write `key=value`") for each in said if each.key is None
        )
        yield LabelSet(level, entries, step.place, profile, complete=False, policy=terms.policy, broken=broken)


def _waive(findings: Sequence[Finding], waivers: Sequence[Waiver], applied: set[str], terms: LintTerms) -> Linted:
    kept, passed = waive(findings, waivers, terms.today)
    return (*kept, *_judge_waivers(waivers, passed, applied, terms)), passed


def _judge_waivers(
    waivers: Sequence[Waiver], passed: Sequence[tuple[Finding, Waiver]], applied: set[str], terms: LintTerms
) -> Iterator[Finding]:
    for use in waiver_uses(waivers, passed, applied, {rule.id for rule in RULES}, terms.today):
        yield from judge(terms.rules(Scope.WAIVER), use)


def _linters() -> Mapping[Kind, Callable[[Path, LintTerms, Facts], Linted]]:
    return {
        Kind.SPEC: partial(_lint_spec, taken={}),
        Kind.DOCKERFILE: _lint_dockerfile,
        Kind.WORKFLOW: _lint_workflow,
    }


def _once_a_checkout(git: Callable[[Path], Mapping[str, str]]) -> Callable[[Path], Mapping[str, str]]:
    """`git`, asked once for each checkout however many specs are in it, and not at all where there is none."""
    known: dict[Path, Mapping[str, str]] = {}

    def ask(directory: Path) -> Mapping[str, str]:
        checkout = next((one for one in (directory, *directory.parents) if (one / ".git").exists()), None)
        if checkout is None:
            raise UsageError("there is no git checkout here", where=str(directory))
        if checkout not in known:
            known[checkout] = git(checkout)
        return known[checkout]

    return ask
