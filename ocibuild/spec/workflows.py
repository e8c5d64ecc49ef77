"""GitHub Actions workflows: what they give docker/build-push-action, and docker/metadata-action before it, to say of an image,
where it is written literally."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocibuild.errors import SpecError
from ocibuild.findings import Finding, Place
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.nodes import ListNode, MapNode, Node, ScalarNode, child
from ocibuild.spec.source import Source, read_source

_ACTION = re.compile(r"docker/(build-push|metadata)-action@.+")
_LEVELS = ("index", "manifest", "index-descriptor", "manifest-descriptor")
_OUTPUT = re.compile(rf"annotation(?:-({'|'.join(_LEVELS)}))?(?:\[[^\]]*\])?\.(.+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One `key=value` of a workflow. `level` is `labels` or that of an annotation; `value` None has an expression in it.

    `{{version}}`, which docker/metadata-action fills in, is one too. `key` None is a line that says neither.
    """

    level: str
    key: str | None
    value: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class BuildStep:
    """A step that builds an image, where it stands, what it says of the image, and what names it gives the image."""

    place: Place
    statements: tuple[Statement, ...]
    names: tuple[tuple[str, Place], ...] = ()


def load_workflow(path: Path) -> tuple[tuple[BuildStep, ...], str, tuple[Finding, ...]]:
    """The steps of a workflow that build an image, the text of the file, and what is wrong with its YAML."""
    from ocibuild.spec.compose import compose

    ledger = Ledger()
    try:
        source = read_source(path)
        roots = compose(source, ledger)
    except SpecError as error:
        return (), "", error.findings
    return tuple(step for root in roots for step in _steps(root, source)), source.text, ()


def _steps(root: Node, source: Source) -> Iterator[BuildStep]:
    jobs = child(root, "jobs")
    for job in jobs.entries.values() if isinstance(jobs, MapNode) else ():
        steps = child(job, "steps")
        for step in steps.items if isinstance(steps, ListNode) else ():
            uses, inputs = child(step, "uses"), child(step, "with")
            action = _ACTION.fullmatch(uses.text) if isinstance(uses, ScalarNode) else None
            if isinstance(uses, ScalarNode) and action and isinstance(inputs, MapNode):
                names = (_tags if action[1] == "build-push" else _images)(inputs, source)
                literal = tuple((name.strip(), place) for name, place in names if name.strip() and "{{" not in name)
                yield BuildStep(source.place(uses.span), tuple(_statements(inputs, source)), literal)


def _tags(inputs: MapNode, source: Source) -> Iterator[tuple[str, Place]]:
    """The names that an image is pushed under."""
    for text, place in _lines(inputs, "tags", source):
        yield from ((name, place) for name in text.split(","))
    for text, place in _lines(inputs, "outputs", source):
        for key, value in _cells(text):
            yield from ((name, place) for name in value.split(",") if key == "name")


def _images(inputs: MapNode, source: Source) -> Iterator[tuple[str, Place]]:
    """The repositories that names are made of; the action writes them in lower case."""
    for text, place in _lines(inputs, "images", source):
        for key, value in _cells(text):
            if key == "name" or not value:
                yield (value or key).lower(), place


def _cells(text: str) -> Iterator[tuple[str, str]]:
    """The fields of a line of CSV, each `key=value` or a key alone."""
    for cell in next(csv.reader([text]), []):
        key, _, value = cell.partition("=")
        yield key.strip(), value


def _statements(inputs: MapNode, source: Source) -> Iterator[Statement]:
    for text, place in _lines(inputs, "labels", source):
        yield _statement("labels", text, place)
    for text, place in _lines(inputs, "annotations", source):
        prefix, colon, rest = text.partition(":")
        levels = [level.partition("[")[0] for level in prefix.split(",")]
        is_prefixed = bool(colon) and all(level in _LEVELS for level in levels)
        for level in levels if is_prefixed else ["manifest"]:
            yield _statement(f"{level} annotations", rest if is_prefixed else text, place)
    for text, place in _lines(inputs, "outputs", source):
        for key, value in _cells(text):
            found = _OUTPUT.fullmatch(key)
            if found:
                yield _statement(f"{found[1] or 'manifest'} annotations", f"{found[2]}={value}", place)


def _statement(level: str, text: str, place: Place) -> Statement:
    key, equals, value = text.partition("=")
    if "${{" in key:
        return Statement(level, "", None, place)
    return Statement(level, key.strip() if equals and key.strip() else None, None if "{{" in value else value, place)


def _lines(inputs: MapNode, name: str, source: Source) -> Iterator[tuple[str, Place]]:
    """The lines of an input that say something, each with its place."""
    node = child(inputs, name)
    if not isinstance(node, ScalarNode):
        return
    position = node.span.start
    for line in node.text.splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = source.text.find(text, position, node.span.end)
        span = source.span(found, found + len(text)) if found >= 0 else node.span
        position = span.end if found >= 0 else position
        # The action reads lines as CSV: quotes around a whole line are not part of it.
        yield (
            text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text,
            source.place(span),
        )
