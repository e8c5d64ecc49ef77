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
from ocibuild.spec.nodes import Node, ScalarNode, child
from ocibuild.spec.scope import Scope
from ocibuild.spec.tag_rules import Render, attributes_of, flavor, is_rule, plain_rule, tag_rule
from ocibuild.spec.template_language import TemplateError
from ocibuild.spec.view import View
from ocibuild.tagging import Flavor, TagMaker, TagRule

_REFERENCE, _TAG, _RULE = "spec-bad-reference", "spec-bad-tag", "spec-tag-rule"
_ASKED = Place("--tag")


Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Names:
    """What an image is called, and what there is to say of rules that gave no tag."""

    image: Reference | None
    tags: tuple[str, ...]
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of `tags` or --tag as a rule, and where it stands; `tag` is what it says if it is simply a tag."""

    rule: TagRule
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
    if is_fixed or maker is None:
        return Names(repository or image, tuple(dict.fromkeys(entry.tag for entry in entries if entry.tag)))
    tags, warnings = _made(document, entries, style or Flavor(), maker)
    return Names(repository or image, tags, warnings)


def _made(
    document: Document, entries: Sequence[_Entry], style: Flavor, maker: TagMaker
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    try:
        made = maker([entry.rule for entry in entries], style, document.directory)
    except OcibuildError as error:
        document.ledger.add(_RULE, error.what, document.place(("tags",)), error.hint)
        return (), ()
    warnings = []
    for notice in made.notices:
        place = entries[notice.rule].place
        if notice.is_error:
            document.ledger.add(_TAG, notice.message, place, notice.hint)
        else:
            warnings.append(Finding(_RULE, notice.message, place, notice.hint, Severity.WARNING))
    return made.tags, tuple(warnings)


def _written_entries(spec: View, render: Render) -> list[_Entry]:
    entries: list[_Entry] = []
    for view in spec.items("tags"):
        place, tag = view.document.place(view.path), None
        if not view.is_text or _is_written_as_rule(view):
            rule = _read(view, partial(_read_rule, view, render))
        else:
            tag = view.parse(parse_tag, _TAG)
            rule = plain_rule(tag) if tag else None
        if tag and any(entry.tag == tag for entry in entries):
            view.refuse(_TAG, f"the tag {tag} is here a second time", "keep one of the two")
        elif rule is not None:
            entries.append(_Entry(rule, place, tag))
    return entries


def _is_written_as_rule(view: View) -> bool:
    """Whether the spec itself says so: what a template gives is a tag, whatever it looks like."""
    node: Node | None = view.document.root
    for key in view.path:
        node = child(node, key)
    return isinstance(node, ScalarNode) and is_rule(node.text)


def _read_rule(view: View, render: Render) -> TagRule:
    if view.is_text:
        return tag_rule(attributes_of(view.text), render)
    return tag_rule({key: entry.text for key, entry in view.entries()}, render)


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
            return None, _Entry(tag_rule(attributes_of(text), render), _ASKED)
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
    return _Entry(replace(plain_rule(tag), prefix=(), suffix=()), _ASKED, tag)


def _refuse(rule: str, message: str, hint: str | None) -> SpecError:
    return SpecError(message, (Finding(rule, message, _ASKED, hint),))
