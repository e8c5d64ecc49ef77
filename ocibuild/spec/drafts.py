"""Specs as far as they are known before a build: values that only its environment gives are left open, and no errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import NoReturn

from ocibuild.errors import OcibuildError, SpecError
from ocibuild.findings import Finding, Place
from ocibuild.plan import FilesLayer, Origin, Plan
from ocibuild.spec.document import Document
from ocibuild.spec.layers import is_selected
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.load import Facts, Overrides, read_documents
from ocibuild.spec.nodes import ListNode, MapNode, Node, Path, ScalarNode, child
from ocibuild.spec.plans import Rendering, read_plan, render_document
from ocibuild.spec.source import Source
from ocibuild.spec.template_language import TemplateError
from ocibuild.spec.variables import scope_of

# What is no fault of a spec that waits for values.
_WAITING = frozenset({"spec-required-variable"})
# What follows from values that are left open.
_CONSEQUENCES = frozenset({"spec-empty-image", "spec-unnamed-image"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A document: the plan that it comes to without the values that are not known, and where everything is written.

    `is_whole` if each of its items became one of the plan. Paths are the keys and indexes that lead to a value.
    """

    plan: Plan
    document: Document
    is_whole: bool

    @property
    def sources(self) -> tuple[Source, ...]:
        """The file, of which the document may be a part, and those that it extends."""
        return self.document.source, *self.document.inherited

    def has(self, path: Path) -> bool:
        """Whether anything is written there."""
        return self._at(path) is not None

    def keys(self, path: Path) -> tuple[str, ...]:
        """The keys of the map that is written there; none if there is no map."""
        node = self._at(path)
        return tuple(node.entries) if isinstance(node, MapNode) else ()

    def texts(self, path: Path) -> tuple[str, ...]:
        """The text that is written there as it is written, or those of a list; none if there is neither."""
        node = self._at(path)
        nodes = node.items if isinstance(node, ListNode) else (node,)
        return tuple(one.text for one in nodes if isinstance(one, ScalarNode))

    def place(self, path: Path) -> Place:
        """Where the value is written, or the innermost one around it that exists."""
        return self.document.place(path)

    def key_place(self, path: Path) -> Place:
        """Where the key is written that leads to the value."""
        return self.document.key_place(path)

    def place_at(self, origin: Origin) -> Place:
        """A place that a plan remembers, to the end of its line."""
        source = self.document.source_of(origin)
        start = source.line_start(origin.line) + origin.column - 1
        return source.span(start, len(source.text)).place

    def is_open(self, path: Path) -> bool:
        """Whether the value, one around it or one inside it is not known."""
        return any(path[: len(one)] == one or one[: len(path)] == path for one in self.document.broken)

    def _at(self, path: Path) -> Node | None:
        node: Node | None = self.document.root
        for key in path:
            node = child(node, key)
        return node


def load_drafts(file: FilePath, overrides: Overrides, facts: Facts) -> tuple[tuple[Draft, ...], tuple[Finding, ...]]:
    """The documents of a spec file, and what is wrong with it whatever the environment gives."""
    ledger = Ledger()
    git, ci = (_known_or_open(ask, file.absolute().parent) for ask in (facts.git, facts.ci))
    try:
        documents = read_documents(file, ledger, overrides.sets)
        drafts = [draft for each in documents if (draft := _draft(each, overrides, facts, git, ci)) is not None]
    except SpecError as error:  # more findings than anybody reads
        return (), error.findings
    ignored = _WAITING | (_CONSEQUENCES if any(draft.document.broken for draft in drafts) else frozenset())
    return tuple(drafts), tuple(finding for finding in ledger.findings if finding.rule not in ignored)


def _draft(
    document: Document,
    overrides: Overrides,
    facts: Facts,
    git: Callable[[], Mapping[str, str]],
    ci: Callable[[], Mapping[str, str]],
) -> Draft | None:
    scope = scope_of(document, overrides.sets, facts.environ, git, ci)
    scope = replace(scope, faulty=scope.faulty | scope.unset, unset=frozenset())
    try:
        rendering = render_document(document, scope, overrides.platforms)
    except SpecError as error:
        document.ledger.take(error.findings)
        return None
    plan = None if rendering is None else read_plan(rendering, overrides, None, None)
    return None if plan is None or rendering is None else Draft(plan, document, _is_whole(rendering, plan))


def _is_whole(rendering: Rendering, plan: Plan) -> bool:
    # An item whose template file waits for a value is left out without a word.
    for rendered, part in zip(rendering.platforms, plan.platforms, strict=True):
        layers = [view for view in rendered.spec.items("layers") if is_selected(view, rendered.platform)]
        written = sum(len(list(view.items("files"))) for view in layers)
        read = sum(len(layer.items) for layer in part.layers if isinstance(layer, FilesLayer))
        if written != read or len(layers) != len(part.layers):
            return False
    return True


def _known_or_open(
    git: Callable[[FilePath], Mapping[str, str]], directory: FilePath
) -> Callable[[], Mapping[str, str]]:
    known: list[Mapping[str, str] | None] = []

    def ask() -> Mapping[str, str]:
        if not known:
            try:
                known.append(git(directory))
            except OcibuildError:
                known.append(None)
        return known[0] if known[0] is not None else _leave_open()

    return ask


def _leave_open() -> NoReturn:
    message = "git knows nothing here"
    raise TemplateError(message, silent=True)
