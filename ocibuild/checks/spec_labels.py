"""The labels and the annotations of a spec as the rules see them, each entry with its place in the text."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild.checks.labels import LABELS, PREFIX, Label, LabelSet
from ocibuild.checks.spec_subject import Path, SpecText, SpecUnderCheck, label_path
from ocibuild.findings import Place
from ocibuild.plan import Strings

_DEFAULTS: Path = ("metadata", "defaults")
_OF_GIT = ("source", "revision", "version", "created", "title")  # what `defaults: git` stands for


def label_sets(spec: SpecUnderCheck) -> Iterator[LabelSet]:
    """The labels of every platform, then the annotations that are written apart from `metadata`."""
    for part in spec.platforms:
        entries = (*_known(spec.text, part.plan.labels), *_open(spec.text, part.plan.labels))
        yield LabelSet(LABELS, entries, _place_of_labels(spec), spec.profile, policy=spec.plan.policy)
    for level in spec.text.keys(("annotations",)):
        path: Path = ("annotations", level)
        entries = tuple(_entry(spec.text, key, value, (*path, key)) for key, value in _annotations(spec, level))
        yield LabelSet(f"{level} annotations", entries, spec.text.key_place(path), spec.profile, complete=False)


def _place_of_labels(spec: SpecUnderCheck) -> Place:
    for key in ("metadata", "labels"):
        if spec.text.has((key,)):
            return spec.text.key_place((key,))
    return spec.place


def _known(text: SpecText, labels: Strings) -> Iterator[Label]:
    for key, value in labels:
        path = label_path(text, key)
        yield _entry(text, key, value, path) if path else Label(key, value, text.place(_DEFAULTS))


def _open(text: SpecText, labels: Strings) -> Iterator[Label]:
    """What is written and has no value yet, and what git gives in another checkout: at a tag, or with a remote."""
    metadata = [PREFIX + key for key in text.keys(("metadata",)) if key != "defaults"]
    written = (*metadata, *text.keys(("labels",)))
    known = dict(labels)
    for key in dict.fromkeys(written):
        path = label_path(text, key)
        if path and key not in known:
            yield _entry(text, key, None, path)
    for key in _given_by_git(text):
        if key not in known and key not in written:
            yield Label(key, None, text.place(_DEFAULTS))


def _given_by_git(text: SpecText) -> Iterator[str]:
    named = text.texts(_DEFAULTS)
    for name in _OF_GIT if named == ("git",) else named:
        yield PREFIX + name


def _entry(text: SpecText, key: str, value: str | None, path: Path) -> Label:
    return Label(key, value, text.place(path), text.key_place(path))


def _annotations(spec: SpecUnderCheck, level: str) -> Iterator[tuple[str, str]]:
    """Those that are written at this level; the plan has those of `metadata` beside them."""
    plans = [part.plan for part in spec.platforms]
    values: dict[str, Strings] = {
        "index": spec.plan.index_annotations,
        "index-descriptor": spec.plan.index_descriptor_annotations,
        "manifest": tuple(pair for plan in plans for pair in plan.annotations),
        "manifest-descriptor": tuple(pair for plan in plans for pair in plan.descriptor_annotations),
    }
    own = spec.text.keys(("annotations", level))
    return ((key, value) for key, value in dict.fromkeys(values.get(level, ())) if key in own)
