"""The names of an image: its repository and its tags, from the spec or from --tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from ocibuild.errors import OcibuildError, SpecError, UsageError
from ocibuild.findings import Finding, Place, Severity
from ocibuild.oci.reference import Reference, parse_reference, parse_tag
from ocibuild.spec.document import Document, complain, render_text
from ocibuild.spec.nodes import ListNode, MapNode, Node, ScalarNode, child
from ocibuild.spec.scope import Scope
from ocibuild.spec.tag_rules import Render, attributes_of, flavor, is_rule, plain_rule, rule_as_text, tag_rule
from ocibuild.spec.template_language import TemplateError
from ocibuild.spec.view import View
from ocibuild.tagging import Flavor, Ruling, TagMaker, TagRule

_REFERENCE, _TAG, _RULE = "spec-bad-reference", "spec-bad-tag", "spec-tag-rule"
_ASKED = Place("--tag")


Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Names:
    """What an image is called, what each entry of `tags` gave, and what there is to say of entries that gave no tag."""

    image: Reference | None
    tags: tuple[str, ...]
    rulings: tuple[Ruling, ...] = ()
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of `tags` or --tag as a rule, how it is written and where; `tag` is what it says if it is simply a tag."""

    rule: TagRule
    text: str
    place: Place
    tag: str | None = None


def read_names(spec: View, asked: tuple[str, ...], scope: Scope, maker: TagMaker | None) -> Names:
    """Repository and tags. `asked` (--tag) replaces the tags, and the repository where it gives full references.

    Without a `maker`, rules that depend on the build give no tags.
    """
    document = spec.document

    def render(text: str) -> str:
        return render_text(document, replace(scope, platform=None), text)

    image = spec.parse_of("image", _parse_repository, _REFERENCE)
    written, style = _written_entries(spec, render), _read_flavor(spec, render)
    repository, asked_entries = _split(asked, render)
    entries = asked_entries or written
    # What --tag says is all that there is, unless it asks for rules too.
    is_fixed = all(entry.tag for entry in entries) and (style is None or bool(asked_entries))
    if is_fixed or maker is None or not _is_complete(spec, written, style):
        tags = tuple(dict.fromkeys(entry.tag for entry in entries if entry.tag))
        return Names(repository or image, tags, tuple(Ruling(tag, tag) for tag in tags))
    return _made(document, repository or image, entries, style or Flavor(), maker)


def _made(
    document: Document, image: Reference | None, entries: Sequence[_Entry], style: Flavor, maker: TagMaker
) -> Names:
    try:
        made = maker([entry.rule for entry in entries], style, document.directory)
    except OcibuildError as error:
        is_asked = all(entry.place == _ASKED for entry in entries)
        document.ledger.add(_RULE, error.what, _ASKED if is_asked else document.place(("tags",)), error.hint)
        return Names(image, ())
    rulings, warnings = [], []
    for entry, outcome in zip(entries, made.outcomes, strict=True):
        rulings.append(Ruling(entry.text, outcome.tag, outcome.message))
        if outcome.severity is Severity.ERROR:
            document.ledger.add(_TAG, outcome.message, entry.place, outcome.hint)
        elif outcome.severity is Severity.WARNING:
            warnings.append(Finding(_RULE, outcome.message, entry.place, outcome.hint, Severity.WARNING))
    return Names(image, made.tags, tuple(rulings), tuple(warnings))


def _written_entries(spec: View, render: Render) -> list[_Entry]:
    entries: list[_Entry] = []
    for view in spec.items("tags"):
        node = _node(view)
        # The spec itself says what is a rule: what a template gives is a tag, whatever it looks like.
        is_text = isinstance(node, ScalarNode) and not is_rule(node.text)
        entry = _tag_entry(view) if is_text else _rule_entry(view, node, render)
        if entry and entry.tag and any(other.tag == entry.tag for other in entries):
            view.refuse(_TAG, f"the tag {entry.tag} is here a second time", "keep one of the two")
        elif entry is not None:
            entries.append(entry)
    return entries


def _node(view: View) -> Node | None:
    node: Node | None = view.document.root
    for key in view.path:
        node = child(node, key)
    return node


def _tag_entry(view: View) -> _Entry | None:
    tag = view.parse(parse_tag, _TAG)
    return _Entry(plain_rule(tag), tag, view.document.place(view.path), tag) if tag else None


def _rule_entry(view: View, node: Node | None, render: Render) -> _Entry | None:
    if isinstance(node, MapNode) and len(view.value) < len(node.entries):
        return None  # what is missing was complained about

    def read() -> _Entry:
        attributes = attributes_of(view.text) if view.is_text else {key: entry.text for key, entry in view.entries()}
        return _Entry(tag_rule(attributes, render), rule_as_text(attributes), view.document.place(view.path))

    return _read(view, read)


def _is_complete(spec: View, entries: Sequence[_Entry], style: Flavor | None) -> bool:
    """Whether all that is written could be read: else what it would come to is of no use."""
    tags = spec.document.root.entries.get("tags")
    written = len(tags.items) if isinstance(tags, ListNode) else 0
    return len(entries) == written and (style is not None or "flavor" not in spec.document.root.entries)


def _read_flavor(spec: View, render: Render) -> Flavor | None:
    view = spec.get("flavor")
    return None if view is None else _read(view, partial(flavor, view.value, render))


def _read(view: View, reader: Callable[[], Parsed]) -> Parsed | None:
    """What `reader` gives; None, with a complaint, if it raises."""
    try:
        return reader()
    except TemplateError as error:
        complain(view.document, view.path, error)
    except OcibuildError as error:
        view.refuse(_RULE, error.what, error.hint)
    return None


def _parse_repository(text: str) -> Reference:
    reference = parse_reference(text)
    if reference.tag or reference.digest:
        hint = f"write the tag under `tags`: [{reference.tag}]" if reference.tag else "leave the digest out"
        raise UsageError(f"`image` names a repository, without a {'tag' if reference.tag else 'digest'}", hint=hint)
    return reference


def _split(asked: tuple[str, ...], render: Render) -> tuple[Reference | None, tuple[_Entry, ...]]:
    repositories: dict[Reference, None] = {}
    entries: dict[_Entry, None] = {}
    for text in asked:
        reference, entry = _parse_asked(text, render)
        if reference is not None:
            repositories[reference] = None
        if entry is not None:
            entries[entry] = None
    if len(repositories) > 1:
        names = " and ".join(reference.name for reference in repositories)
        raise _refuse(_REFERENCE, f"--tag names several repositories: {names}", "build for one, then `ocibuild copy`")
    return next(iter(repositories), None), tuple(entries)


def _parse_asked(text: str, render: Render) -> tuple[Reference | None, _Entry | None]:
    try:
        if is_rule(text):
            return None, _Entry(tag_rule(attributes_of(text), render), text, _ASKED)
        if "/" not in text and ":" not in text:
            return None, _exact(parse_tag(text))
        reference = parse_reference(text)
    except TemplateError as error:
        raise _refuse(_RULE, f"{text}: {error.message}", error.hint) from error
    except UsageError as error:
        raise _refuse(_RULE if is_rule(text) else _REFERENCE, error.what, error.hint) from error
    if reference.digest is not None:
        raise _refuse(_REFERENCE, f"{text!r} has a digest, which only building can tell", "leave it out")
    return Reference(reference.host, reference.repository), _exact(reference.tag) if reference.tag else None


def _exact(tag: str) -> _Entry:
    """A tag to which no flavor adds anything."""
    return _Entry(replace(plain_rule(tag), prefix=(), suffix=()), tag, _ASKED, tag)


def _refuse(rule: str, message: str, hint: str | None) -> SpecError:
    return SpecError(message, (Finding(rule, message, _ASKED, hint),))
