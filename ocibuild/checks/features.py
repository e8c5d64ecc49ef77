"""Rules for what specs and images alike have: layers in number, environments, texts for a page, what not every target takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ocibuild.checks.labels import LABELS, PREFIX
from ocibuild.checks.profiles import Profile
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.findings import Place, Severity

SHOWN = ("source", "description", "licenses")  # what a registry's page has room for
MANY_LAYERS = 100
_RUNTIME_LAYERS = 2  # what a runtime adds on top for itself


@dataclass(frozen=True, slots=True)
class LayerCount:
    """How many layers `subject` has."""

    subject: str
    count: int
    place: Place


@dataclass(frozen=True, slots=True)
class Environment:
    """The names of an environment, in order. Windows does not tell upper case from lower."""

    names: tuple[str, ...]
    ignores_case: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a target may not take: `index`, `zstd`, or an `os`, whose name is `detail`."""

    kind: str
    subject: str
    place: Place
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ShownText:
    """One of `SHOWN` that a spec or an image holds: where, by the levels that it stands on."""

    word: str
    levels: Mapping[str, Place]


class Featured(Protocol):
    """What these rules ask of a spec or an image."""

    @property
    def profile(self) -> Profile: ...

    @property
    def is_index(self) -> bool:
        """Whether it is for several platforms."""

    def layer_counts(self) -> Iterable[LayerCount]:
        """For each platform."""

    def environments(self) -> Iterable[Environment]:
        """For each platform."""

    def features(self) -> Iterable[Feature]:
        """In the order of the documents."""

    def shown_texts(self) -> Iterable[ShownText]:
        """In the order of `SHOWN`."""


def _many_layers(subject: Featured) -> Iterator[Fault]:
    """The image has more than 100 layers.

    Why: each layer costs a few requests at every push and pull, and soon there are more than runtimes can mount.
    Source: the limit of 127 that containerd and Docker have (overlayfs), less some room for images built on this one.
    Mend: merge layers that change together.
    """
    for each in subject.layer_counts():
        if MANY_LAYERS < each.count <= _most_layers(subject):
            yield Fault(f"{each.subject} has {each.count} layers", each.place, "merge layers that change together")


def _too_many_layers(subject: Featured) -> Iterator[Fault]:
    """The image has more layers than runtimes can mount.

    Why: containers of it do not start: containerd and Docker mount at most 127 layers, of which two are the runtime's own.
    Source: the limit of the profile; apko documentation, on containerd.
    Mend: merge layers that change together.
    """
    for each in subject.layer_counts():
        if each.count > _most_layers(subject):
            message = f"{each.subject} has {each.count} layers; runtimes mount {_most_layers(subject)}"
            yield Fault(message, each.place, "merge layers that change together")


def _most_layers(subject: Featured) -> int:
    return (subject.profile.layers or 127) - _RUNTIME_LAYERS


def _env_duplicated(subject: Featured) -> Iterator[Fault]:
    """An environment variable is set twice. On Windows names that differ in case only are the same.

    Why: which of the two a program sees depends on the runtime and on the program.
    Source: OCI image-spec, config.md, "Env", does not say which one counts.
    Mend: keep one of the two.
    """
    for each in subject.environments():
        counted = Counter(name.upper() if each.ignores_case else name for name in each.names)
        for name, count in counted.items():
            if count > 1:
                yield Fault(f"the environment variable {name} is set {count} times", each.place, "keep one of them")


def _text_not_read(subject: Featured) -> Iterator[Fault]:
    """Source, description or licenses are there, and on no level that the registry's page reads.

    Why: GHCR shows "No description provided", and links no repository: of a single image it reads the labels, of several
    platforms the annotations of the index.
    Source: GitHub documentation, Working with the Container registry; bazel-contrib/rules_oci issue 798.
    Mend: write them under `metadata`, which reaches every level. The docker format has no annotations: use `format: oci`. Of an
    index that was merged, annotate the index too.
    """
    read = "index annotations" if subject.is_index else LABELS
    for text in subject.shown_texts() if subject.profile.reads_labels else ():
        level = next(iter(text.levels), None)
        if level is not None and read not in text.levels:
            message = (
                f"the {text.word} is in the {level} only; the page of profile {subject.profile.name} reads the {read}"
            )
            way = "as `metadata` of a spec does" + (" in the OCI format" if subject.is_index else "")
            yield Fault(message, text.levels[level], f"add `{PREFIX}{text.word}` to the {read}, {way}")


def _not_taken(subject: Featured) -> Iterator[Fault]:
    """The registry or the runtime of the profile does not take this kind of image.

    Why: AWS Lambda, for one, runs a single Linux image and refuses an index, and layers that are packed with zstd.
    Source: what the profile says; `ocibuild rules --profiles` lists it with its sources.
    Mend: build for one platform, or choose another compression.
    """
    profile = subject.profile
    for each in subject.features():
        hint = None
        if each.kind == "index" and not profile.takes_index:
            hint = "build for one platform, and push each under a name of its own"
        elif each.kind == "zstd" and not profile.takes_zstd:
            hint = "write `compression: gzip`"
        elif each.kind == "os" and profile.systems and each.detail not in profile.systems:
            hint = f"it takes {', '.join(profile.systems)}"
        if hint:
            yield Fault(f"{each.subject}, which profile {profile.name} does not take", each.place, hint)


_BOTH = (Scope.SPEC, Scope.IMAGE)
RULES: tuple[Rule[Any], ...] = (
    Rule("many-layers", Severity.WARNING, "There are very many layers", _BOTH, _many_layers),
    Rule("too-many-layers", Severity.ERROR, "There are more layers than runtimes mount", _BOTH, _too_many_layers),
    Rule("env-duplicated", Severity.WARNING, "An environment variable is set twice", _BOTH, _env_duplicated),
    Rule("text-not-read", Severity.WARNING, "A text stands where no page reads it", _BOTH, _text_not_read),
    Rule("not-taken", Severity.ERROR, "The target does not take this kind of image", _BOTH, _not_taken),
)
