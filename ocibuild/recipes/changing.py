"""Which images are made of something that has changed: what `build --changed-since` builds, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ocibuild.ci.changes import HISTORY, Changes, changes_since, checkout_of, is_lost
from ocibuild.events import Emit, Noted, silent
from ocibuild.layers.patterns import selection
from ocibuild.oci.location import RegistryLocation
from ocibuild.plan import KEEP, ArchiveLayer, Copy, Extract, FilesLayer, Item, Plan, PlatformPlan

_OWN_DIRECTORY = ".ocibuild/"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Plans whose inputs changed, and those whose inputs did not, each in their order."""

    changed: tuple[Plan, ...]
    unchanged: tuple[Plan, ...]


def choose_changed(plans: Sequence[Plan], revision: str, emit: Emit = silent) -> Chosen:
    """The plans, by whether git sees a difference between what they are made of now and at `revision`.

    They are made of their spec, what it extends, its templates and lock file, and of the files that layers take. Values of
    variables, facts of git and tags of bases do not count. What git cannot know counts as changed: files that it does not
    track, and all of it for the revision of zeros that CI systems give for a new branch, or (with a warning) for a commit
    that the checkout does not have.
    """
    if revision and not revision.strip("0"):
        return Chosen(tuple(plans), ())
    tops = {directory: checkout_of(directory) for directory in dict.fromkeys(map(_directory, plans))}
    known = {top: _changes(top, revision, emit) for top in dict.fromkeys(tops.values())}
    changed: list[Plan] = []
    unchanged: list[Plan] = []
    for plan in plans:
        changes = known[tops[_directory(plan)]]
        (changed if changes is None or is_changed(plan, changes) else unchanged).append(plan)
    return Chosen(tuple(changed), tuple(unchanged))


def _changes(top: Path, revision: str, emit: Emit) -> Changes | None:
    """What has changed in a checkout; None for all of it."""
    if is_lost(top, revision):
        emit(
            Noted(f"git does not have commit {revision} in {top}: all images there are built; {HISTORY}", warning=True)
        )
        return None
    return changes_since(top, revision)


def is_changed(plan: Plan, changes: Changes) -> bool:
    """Whether anything that the image is made of is among the changes."""
    return any(map(changes.touches, plan.files)) or any(_part_changed(part, changes) for part in plan.platforms)


def _directory(plan: Plan) -> Path:
    return Path(plan.origin.file).absolute().parent if plan.origin else Path.cwd()


def _part_changed(part: PlatformPlan, changes: Changes) -> bool:
    if part.base is not None and not isinstance(part.base, RegistryLocation) and changes.touches(Path(part.base.path)):
        return True
    for layer in part.layers:
        if isinstance(layer, ArchiveLayer) and changes.touches(layer.context / layer.source):
            return True
        if isinstance(layer, FilesLayer) and any(_item_changed(item, layer.context, changes) for item in layer.items):
            return True
    return False


def _item_changed(item: Item, context: Path, changes: Changes) -> bool:
    if isinstance(item, Extract):
        return changes.touches(context / item.source)
    return isinstance(item, Copy) and (_keeps(item) or _copy_changed(item, context, changes))


def _keeps(item: Copy) -> bool:
    """Whether the image takes over attributes of files that git does not keep."""
    return any(getattr(item.attributes, field.name) is KEEP for field in fields(item.attributes))


def _copy_changed(item: Copy, context: Path, changes: Changes) -> bool:
    chosen = selection(item.include, item.exclude)
    for path in changes.below(context / item.source):
        if item.source == "." and path.startswith(_OWN_DIRECTORY):
            continue
        standing, parts = chosen.start, path.encode("utf-8", "surrogateescape").split(b"/")
        for number in range(1, len(parts)):
            standing = chosen.standing(b"/".join(parts[:number]), standing, is_directory=True)
        # Of a directory that git does not track, any file may be asked for.
        if not standing.excluded and (
            not parts[-1] or chosen.standing(b"/".join(parts), standing, is_directory=False).is_taken
        ):
            return True
    return False
