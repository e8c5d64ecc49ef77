"""Rules for what specs and images alike have: layers in number, environments, and what not every target takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ocibuild.checks.profiles import Profile
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.findings import Place, Severity

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


class Featured(Protocol):
    """What these rules ask of a spec or an image."""

    @property
    def profile(self) -> Profile: ...

    def layer_counts(self) -> Iterable[LayerCount]:
        """For each platform."""

    def environments(self) -> Iterable[Environment]:
        """For each platform."""

    def features(self) -> Iterable[Feature]:
        """In the order of the documents."""


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
    Rule("not-taken", Severity.ERROR, "The target does not take this kind of image", _BOTH, _not_taken),
)
