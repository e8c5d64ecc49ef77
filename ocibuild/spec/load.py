"""Spec files -> plans: the recipe. All that is wrong in all files comes out as one SpecError."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocibuild.errors import SpecError, UsageError
from ocibuild.findings import Finding, Place
from ocibuild.plan import Plan
from ocibuild.spec.document import Document
from ocibuild.spec.inheritance import inherit
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.matrix import combinations
from ocibuild.spec.nodes import MapNode
from ocibuild.spec.plans import Overrides, Rendering, read_plan, render_document
from ocibuild.spec.resolved import resolved_documents
from ocibuild.spec.scope import did_you_mean
from ocibuild.spec.source import read_source
from ocibuild.spec.times import parse_seconds
from ocibuild.spec.variables import declared_names, scope_of
from ocibuild.tagging import Flavor, MadeTags, TagMaker, TagRule

_SPEC_NAME = re.compile(r"(?:.*\.)?ocibuild\.ya?ml")
_EPOCH = "SOURCE_DATE_EPOCH"
_VARS = "vars."
_TAGLESS = "no rule of `tags` gives one here; add a rule for what is built, such as type=sha"

__all__ = ["Facts", "Overrides", "find_specs", "is_spec_name", "load_plans", "read_documents", "render_specs"]


def _unknown(directory: Path) -> Mapping[str, str]:
    raise UsageError("what began this build is not known", where=str(directory), hint="give `ci` to the facts of specs")


def _make_no_tags(rules: Sequence[TagRule], flavor: Flavor, directory: Path) -> MadeTags:
    del rules, flavor
    raise UsageError("there is nothing to make tags of", where=str(directory), hint="give `tags` to the facts of specs")


@dataclass(frozen=True, slots=True)
class Facts:
    """What specs may know of the world.

    `environ` is asked only for the variables that a spec declares with `env`, and for SOURCE_DATE_EPOCH. `git` gives the
    facts of the repository around a directory, `ci` those of what began the build; each is called at most once a file, and
    only if a template names it. `tags` makes tags by rules.
    """

    environ: Mapping[str, str]
    git: Callable[[Path], Mapping[str, str]]
    ci: Callable[[Path], Mapping[str, str]] = _unknown
    tags: TagMaker = _make_no_tags


def find_specs(paths: Sequence[Path]) -> list[Path]:
    """Files as given; for a directory all specs in and below it, in order of their paths. SpecError where it has none.

    A spec is called ocibuild.yaml, or NAME.ocibuild.yaml (or .yml). Directories whose names begin with a dot are left out.
    """
    found: dict[Path, None] = {}
    for path in paths:
        specs = sorted(_specs_below(path)) if os.path.isdir(path) else [path]
        if not specs:
            hint = "a spec is called ocibuild.yaml or NAME.ocibuild.yaml; begin one with `ocibuild init`"
            raise _refuse("spec-not-found", "there is no spec in this directory", str(path), hint)
        found.update(dict.fromkeys(specs))
    return list(found)


def is_spec_name(name: str) -> bool:
    """Whether a file of this name is taken for a spec where only a directory is named."""
    return _SPEC_NAME.fullmatch(name) is not None


def load_plans(paths: Sequence[Path], overrides: Overrides, facts: Facts) -> tuple[Plan, ...]:
    """One plan for each document of the files and directories at `paths`. SpecError with all findings, in order of place."""
    return tuple(plan for _, plan in _load(paths, overrides, facts, facts.tags) if plan is not None)


def render_specs(paths: Sequence[Path], overrides: Overrides, facts: Facts) -> list[dict[str, Any]]:
    """The documents at `paths` as they are once templates are rendered, ready to be written as YAML or JSON.

    Where a document comes out differently for its platforms, there is one for each. SpecError as `load_plans`.
    """
    renderings = _load(paths, overrides, facts, facts.tags)
    return [document for rendering, plan in renderings for document in resolved_documents(rendering, plan)]


def load_renderings(paths: Sequence[Path], overrides: Overrides, facts: Facts) -> tuple[Rendering, ...]:
    """The documents at `paths` with their templates evaluated, for what needs their text too. SpecError as `load_plans`.

    Tag rules are not applied.
    """
    return tuple(rendering for rendering, _ in _load(paths, overrides, facts, None))


def _load(
    paths: Sequence[Path], overrides: Overrides, facts: Facts, maker: TagMaker | None
) -> list[tuple[Rendering, Plan | None]]:
    files = find_specs(paths)
    ledger = Ledger()
    epoch = _epoch(facts, ledger)
    read = [(one, read_plan(one, overrides, epoch, maker)) for one in _renderings(files, overrides, facts, ledger)]
    if maker is not None:
        _check_names([(one.document, plan) for one, plan in read if plan is not None], ledger)
    _raise_findings(ledger, files)
    return read


def _renderings(files: list[Path], overrides: Overrides, facts: Facts, ledger: Ledger) -> Iterator[Rendering]:
    declared: set[str] = set()
    sets = {name.removeprefix(_VARS): value for name, value in overrides.sets.items()}
    complete = True
    for file in files:
        ledger.spec = str(file) if len(files) > 1 else None
        documents = read_documents(file, ledger, sets)
        complete = complete and bool(documents)
        git, ci = (_once(ask, file.absolute().parent) for ask in (facts.git, facts.ci))
        for document in documents:
            declared.update(declared_names(document))
            scope = scope_of(document, sets, facts.environ, git, ci)
            try:
                rendering = render_document(document, scope, overrides.platforms)
            except SpecError as error:
                ledger.take(error.findings)
                continue
            if rendering is not None:
                yield rendering
    ledger.spec = None
    if complete:
        _check_sets(sets, declared, ledger)


def read_documents(file: Path, ledger: Ledger, sets: Mapping[str, str]) -> list[Document]:
    """The documents of a spec file that are maps, over what they extend, one for each combination of a matrix.

    What is wrong with the others goes into `ledger`. `sets` (--set) are values by the names of variables.
    """
    from ocibuild.spec.compose import compose

    try:
        source = read_source(file)
        roots = compose(source, ledger)
    except SpecError as error:
        ledger.take(error.findings)
        return []
    if not roots:
        ledger.add(
            "spec-empty", "there is no spec in this file", Place(str(file)), "`ocibuild init` writes one to begin with"
        )
    documents: list[Document] = []
    for root in roots:
        if isinstance(root, MapNode):
            documents += combinations(inherit(source, root, ledger), sets)
        else:
            hint = "begin the file with `apiVersion: ocibuild/v1`, and separate several specs with a line `---`"
            ledger.add("spec-wrong-type", "a spec is a map of keys and values", source.place(root.span), hint)
    return documents


def _once(facts: Callable[[Path], Mapping[str, str]], directory: Path) -> Callable[[], Mapping[str, str]]:
    known: list[Mapping[str, str]] = []

    def ask() -> Mapping[str, str]:
        if not known:
            known.append(facts(directory))
        return known[0]

    return ask


def _check_sets(sets: Mapping[str, str], declared: set[str], ledger: Ledger) -> None:
    for name in sets:
        if name not in declared:
            hint = did_you_mean(name, declared) or f"declare it in the spec: `vars: {{{name}: ...}}`"
            ledger.add("spec-unknown-variable", f"no spec declares the variable `{name}`", Place("--set"), hint)


def _check_names(plans: list[tuple[Document, Plan]], ledger: Ledger) -> None:
    unnamed = [(document, plan) for document, plan in plans if not plan.image and not plan.tags]
    if len(unnamed) > 1 and not len(ledger):
        for document, _ in unnamed:
            message = "this image has no name, and is not the only one"
            ledger.add("spec-unnamed-image", message, document.place(()), "give each `image` and `tags`")
    taken: dict[str, Document] = {}
    for document, plan in plans:
        if plan.image is None and "image" in document.root.entries:
            continue  # it is wrong, and that was said
        hint = _TAGLESS if plan.rulings and not plan.tags else None
        ledger.spec = document.source.name
        ledger.take(shared_names(_names(plan), document, taken, hint))


def shared_names(
    names: Iterable[str], document: Document, taken: dict[str, Document], hint: str | None = None
) -> Iterator[Finding]:
    """Those of the `names` that another image has `taken`. The others are taken by the document from now on."""
    for name in names:
        first = taken.setdefault(name, document)
        if first is document:
            continue
        if first.root is document.root:
            message = f"images of this matrix share the name {name}"
            mend = "use each of its variables in `image` or `tags`"
        else:
            place = first.place(())
            message = f"the name {name} is also that of the image at {place.file}:{place.line}"
            mend = "give each its own name or tags"
        yield Finding("spec-duplicate-image", message, document.place(("tags",)), hint or mend)


def _names(plan: Plan) -> tuple[str, ...]:
    if plan.image is None:
        return plan.tags
    return tuple(map(str, plan.references)) or (plan.image.name,)


def _epoch(facts: Facts, ledger: Ledger) -> int | None:
    text = facts.environ.get(_EPOCH)
    if not text:
        return None
    try:
        return parse_seconds(text)
    except UsageError as error:
        ledger.add("spec-bad-value", error.what, Place(_EPOCH), "set it to a number of seconds, or unset it")
        return None


def _specs_below(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            if is_spec_name(name) and path.is_file():
                yield path


def _raise_findings(ledger: Ledger, files: list[Path]) -> None:
    if not len(ledger):
        return
    ranks = {str(file): rank for rank, file in enumerate(files)}

    def order(finding: Finding) -> tuple[int, str, int, int]:
        place = finding.place or Place("")
        return ranks.get(place.file, len(ranks)), place.file, place.line or 0, place.column or 0

    findings = tuple(sorted(ledger.findings, key=order))
    count = "one problem" if len(findings) == 1 else f"{len(findings)} problems"
    raise SpecError(f"{_guilty(findings, files)} {count}", findings)


def _guilty(findings: Sequence[Finding], files: Sequence[Path]) -> str:
    """What has to be mended, as a subject with its verb: options and variables (SOURCE_DATE_EPOCH) are places of findings too."""
    places = {finding.place.file if finding.place else "" for finding in findings}
    options = {place for place in places if place.startswith("--")}
    named = places - options - {place for place in places if place.isupper() and "." not in place}
    if len(named) > 1:
        return f"{len(named)} files have"
    if named:
        return "the spec has" if named == set(map(str, files)) else f"{named.pop()} has"
    return "the command line has" if options == places else "the environment has"


def _refuse(rule: str, message: str, file: str, hint: str) -> SpecError:
    return SpecError(message, (Finding(rule, message, Place(file), hint),))
