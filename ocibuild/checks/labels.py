"""Labels and annotations as the rules see them, wherever they are written: one set for each place that carries them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ocibuild.checks.profiles import Profile
from ocibuild.checks.rule import Fault
from ocibuild.findings import Place
from ocibuild.policy import LabelPolicy

PREFIX = "org.opencontainers.image."
LABELS = "labels"  # the level of an image's config


@dataclass(frozen=True, slots=True)
class Label:
    """A key with its value; None is a value that is not known yet, such as one that a build argument gives.

    `place` is where the value stands, `key_place` where the key does, if that is known apart.
    """

    key: str
    value: str | None
    place: Place
    key_place: Place | None = None

    @property
    def at_key(self) -> Place:
        return self.key_place or self.place


@dataclass(frozen=True, slots=True)
class LabelSet:
    """What one document carries. `level` is what messages call it: "labels", "index annotations" and so on.

    `place` is where something that is missing would have to be added. A set is `complete` if what it does not hold is not
    there either, which holds for the labels of a spec but not for what a workflow adds. `broken` is what could not be read.
    """

    level: str
    entries: tuple[Label, ...]
    place: Place
    profile: Profile
    complete: bool = True
    policy: LabelPolicy | None = None
    broken: tuple[Fault, ...] = ()

    def get(self, key: str) -> Label | None:
        """The entry of this key; the last, which wins, if there are several."""
        return next((entry for entry in reversed(self.entries) if entry.key == key), None)

    def known(self) -> Iterator[tuple[Label, str]]:
        """The entries whose values are known, with these."""
        for entry in self.entries:
            if entry.value is not None:
                yield entry, entry.value
