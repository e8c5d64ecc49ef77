"""How long the texts may be that a registry shows. A push refuses what breaks these."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild.checks.labels import PREFIX, LabelSet
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.findings import Severity


def _description_too_long(labels: LabelSet) -> Iterator[Fault]:
    """The description is longer than the registry shows.

    Why: GHCR takes at most 512 characters of plain text, and shows "No description provided" instead of a longer one.
    Source: GitHub documentation, Working with the Container registry, "Labelling container images".
    Mend: shorten it to a sentence or two, and put the rest where `documentation` leads.
    """
    yield from _too_long(labels, "description", labels.profile.description_length)


def _licenses_too_long(labels: LabelSet) -> Iterator[Fault]:
    """The license expression is longer than the registry shows.

    Why: GHCR takes at most 256 characters.
    Source: GitHub documentation, Working with the Container registry, "Labelling container images".
    Mend: name the licenses of what you distribute, and list those of its parts in an SBOM.
    """
    yield from _too_long(labels, "licenses", labels.profile.licenses_length)


def _too_long(labels: LabelSet, word: str, limit: int | None) -> Iterator[Fault]:
    entry = labels.get(PREFIX + word)
    if limit is not None and entry is not None and len(entry.value or "") > limit:
        subject = f"the {word} in the {labels.level}"
        message = f"{subject} has {len(entry.value or '')} characters; profile {labels.profile.name} takes {limit}"
        yield Fault(message, entry.place, f"shorten the {word}")


_LABELS = (Scope.LABELS,)
LIMIT_RULES: tuple[Rule[LabelSet], ...] = (
    Rule("description-too-long", Severity.ERROR, "The description is too long", _LABELS, _description_too_long),
    Rule("licenses-too-long", Severity.ERROR, "The license expression is too long", _LABELS, _licenses_too_long),
)
