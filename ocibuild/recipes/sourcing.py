"""Where images say that they come from, compared with where they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ocibuild.ci.git import page_of, remote_pages
from ocibuild.findings import Finding, Place, Severity
from ocibuild.plan import Plan

_SOURCE = "org.opencontainers.image.source"


def source_findings(plans: Sequence[Plan]) -> tuple[Finding, ...]:
    """A warning for each image whose source is none of the remotes of the checkout that its spec is in."""
    remotes: dict[Path, tuple[str, ...]] = {}
    return tuple(finding for plan in plans for finding in _of_plan(plan, remotes))


def _of_plan(plan: Plan, remotes: dict[Path, tuple[str, ...]]) -> Iterator[Finding]:
    said = dict.fromkeys(dict(part.labels).get(_SOURCE, "") for part in plan.platforms)
    sources = [source for source in said if page_of(source)]
    if not sources or plan.origin is None:
        return
    directory = Path(plan.origin.file).absolute().parent
    if directory not in remotes:
        remotes[directory] = remote_pages(directory)
    pages = remotes[directory]
    for source in sources:
        if pages and not any(_is_part_of(page_of(source), page) for page in pages):
            message = f"the source is {source}, and the checkout comes from {', '.join(pages)}"
            hint = "registries link the image to its source; mend it, or leave it to `metadata.defaults`"
            yield Finding("spec-source-not-remote", message, _place(plan), hint, Severity.WARNING)


def _is_part_of(source: str, remote: str) -> bool:
    return f"{source}/".lower().startswith(f"{remote}/".lower())


def _place(plan: Plan) -> Place | None:
    keys = (f"labels.{_SOURCE}", "metadata.source")
    origin = next((plan.places[key] for key in keys if key in plan.places), plan.origin)
    return Place(origin.file, origin.line, origin.column) if origin else None
