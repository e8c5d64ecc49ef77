"""What the tag rules of specs come to, here and now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocibuild.errors import OcibuildError
from ocibuild.plan import Plan
from ocibuild.spec.load import Facts, Overrides, load_plans


@dataclass(frozen=True, slots=True)
class ImageTags:
    """An image of a spec with its tags (`plan.tags`, `plan.rulings`), and what they were made of: `ci.*` as templates have it.

    `context` is None where nothing is known of what is built, outside CI and of any git checkout.
    """

    plan: Plan
    context: Mapping[str, str] | None

    @property
    def version(self) -> str | None:
        """The most important tag."""
        return next(iter(self.plan.tags), None)


def spec_tags(paths: Sequence[Path], overrides: Overrides, facts: Facts) -> tuple[ImageTags, ...]:
    """The tags of each image at `paths`. SpecError as `load_plans`."""
    contexts: dict[Path, Mapping[str, str] | None] = {}
    made = []
    for plan in load_plans(paths, overrides, facts):
        directory = Path(plan.origin.file if plan.origin else ".").absolute().parent
        if directory not in contexts:
            contexts[directory] = _context(facts, directory)
        made.append(ImageTags(plan, contexts[directory]))
    return tuple(made)


def _context(facts: Facts, directory: Path) -> Mapping[str, str] | None:
    try:
        return facts.ci(directory)
    except OcibuildError:
        return None
