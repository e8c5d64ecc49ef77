"""Base images pinned to digests: looked up in their registries, written into specs or `ocibuild.lock`, and compared."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from ocibuild.bases import asked_for_at
from ocibuild.errors import SpecError
from ocibuild.findings import Finding, Place
from ocibuild.image import BASE_DIGEST, BASE_NAME
from ocibuild.oci.digest import Digest, parse_digest
from ocibuild.oci.location import Location, RegistryLocation
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.recipes.looking import digest as digest_of
from ocibuild.recipes.looking import inspect
from ocibuild.recipes.places import Places
from ocibuild.spec.bases import WrittenBase, pin, written_bases
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.load import Facts, Overrides
from ocibuild.spec.lockfile import lock_text, read_lock
from ocibuild.store.writing import FILE_MODE, write_file
from ocibuild.threads import on_threads

_LOOKUPS = 4  # at once


class Standing(StrEnum):
    """How a base stands to its tag."""

    CURRENT = "current"
    MOVED = "moved"
    UNPINNED = "unpinned"
    FIXED = "fixed"  # a digest without a tag: nothing can move


@dataclass(frozen=True, slots=True)
class BaseState:
    """A base image: the digest that it is pinned to or was built on, and the one that its tag has now (None: no tag)."""

    reference: Reference
    pinned: Digest | None
    now: Digest | None
    place: Place

    @property
    def standing(self) -> Standing:
        if self.now is None:
            return Standing.FIXED
        if self.pinned is None:
            return Standing.UNPINNED
        return Standing.CURRENT if self.pinned == self.now else Standing.MOVED


@dataclass(frozen=True, slots=True)
class Locked:
    """The bases as they stand once they are pinned, and the files that were changed for that."""

    bases: tuple[BaseState, ...]
    changed: tuple[Path, ...]


def base_states(paths: Sequence[Path], overrides: Overrides, facts: Facts, places: Places) -> tuple[BaseState, ...]:
    """How the bases of specs stand, in the order of the specs; one that they share, once. Nothing is written."""
    return _distinct(state for _, state in _looked_up(written_bases(paths, overrides, facts), places))


def recorded_bases(location: Location, places: Places) -> tuple[BaseState, ...]:
    """The bases that an image says it was built on (annotations base.name and base.digest), and how they stand now."""
    recorded: dict[tuple[Reference, Digest], None] = {}
    for node in inspect(location, places).root.walk():
        name, digest = node.document.annotations.get(BASE_NAME), node.document.annotations.get(BASE_DIGEST)
        if name and digest:
            recorded[parse_reference(name).or_latest(), parse_digest(digest)] = None
    place = Place(str(location))
    now = _digests_now(((reference, place) for reference, _ in recorded), places)
    return tuple(BaseState(reference, digest, now.get(reference), place) for reference, digest in recorded)


def lock(
    paths: Sequence[Path], overrides: Overrides, facts: Facts, places: Places, *, lockfile: bool = False
) -> Locked:
    """Pin the bases of specs to what their tags lead to now: in the text of the specs, which stays as it is otherwise.

    With `lockfile`, and where there is an `ocibuild.lock` beside the spec, the digests go there, unless a base is pinned in
    the spec already. SpecError, and nothing is written, for a base that has no place in the text to put a digest.
    """
    looked_up = [
        (base, state) for base, state in _looked_up(written_bases(paths, overrides, facts), places) if state.now
    ]
    in_place = [(base, state) for base, state in looked_up if base.reference.digest]
    to_pin = [(base, state) for base, state in looked_up if not base.reference.digest]
    in_place += [(base, state) for base, state in to_pin if not lockfile and not base.lockfile.exists()]
    in_file = [(base, state) for base, state in to_pin if lockfile or base.lockfile.exists()]
    _refuse_uneditable([base for base, _ in in_place])
    texts = {**_edited(in_place), **_lock_files(in_file)}
    for path, raw in texts.items():
        write_file(path, raw, mode=stat.S_IMODE(path.stat().st_mode) if path.exists() else FILE_MODE)
    return Locked(_distinct(replace(state, pinned=state.now) for _, state in looked_up), tuple(texts))


def lock_findings(states: Iterable[BaseState]) -> Iterator[Finding]:
    """What `lock` would change, as findings."""
    for state in states:
        if state.standing is Standing.UNPINNED:
            yield Finding("base-unpinned", f"{state.reference} has no digest", state.place, "run `ocibuild lock`")
        elif state.standing is Standing.MOVED:
            message = f"{replace(state.reference, digest=None)} is {state.now} now, and pinned to {state.pinned}"
            yield Finding("base-moved", message, state.place, "run `ocibuild lock`")


def _distinct(states: Iterable[BaseState]) -> tuple[BaseState, ...]:
    """Each once: a base in a file that specs share is met once for every lock file beside them."""
    return tuple(dict.fromkeys(states))


def _looked_up(bases: Sequence[WrittenBase], places: Places) -> list[tuple[WrittenBase, BaseState]]:
    now = _digests_now(((base.reference, base.span.place) for base in bases), places)
    return [
        (base, BaseState(base.reference, base.pinned, now.get(replace(base.reference, digest=None)), base.span.place))
        for base in bases
    ]


def _digests_now(bases: Iterable[tuple[Reference, Place]], places: Places) -> dict[Reference, Digest]:
    """What tags lead to, each looked up once; a reference by digest alone has no tag that could."""
    tagged = {replace(reference, digest=None): place for reference, place in bases if reference.tag}

    def look_up(reference: Reference) -> Digest:
        with asked_for_at(tagged[reference]):
            return digest_of(RegistryLocation(reference), places)

    return dict(zip(tagged, on_threads(look_up, tagged, _LOOKUPS, name="look up"), strict=True))


def _refuse_uneditable(bases: Sequence[WrittenBase]) -> None:
    findings = tuple(
        Finding(
            "base-not-editable",
            "no digest can be put here: the base comes from a template, or is not on one line",
            place,
            "`ocibuild lock --lockfile` keeps digests in ocibuild.lock",
        )
        for place in dict.fromkeys(base.span.place for base in bases if not base.can_be_edited)
    )
    if findings:
        raise SpecError("these bases can only be pinned in a lock file", findings)


def _edited(bases: Sequence[tuple[WrittenBase, BaseState]]) -> dict[Path, bytes]:
    """The files whose text changes, and what it is then. Specs may share one, and may call it by different names."""
    edits: dict[Path, dict[tuple[int, int], str]] = {}
    before: dict[Path, str] = {}
    for base, state in bases:
        path = Path(base.span.source.name).resolve()
        before[path] = base.span.source.text
        if state.now is not None:
            edits.setdefault(path, {})[base.span.start, base.span.end] = base.pinned_text(state.now)
    texts = {path: pin(text, edits[path]) for path, text in before.items()}
    return {path: _mark(path) + text.encode() for path, text in texts.items() if text != before[path]}


def _mark(path: Path) -> bytes:
    """The byte order mark, if the file begins with one: it is no part of the text."""
    return codecs.BOM_UTF8 if path.read_bytes().startswith(codecs.BOM_UTF8) else b""


def _lock_files(bases: Sequence[tuple[WrittenBase, BaseState]]) -> dict[Path, bytes]:
    texts: dict[Path, bytes] = {}
    for path in {base.lockfile: None for base, _ in bases}:
        # What it says of specs that were not named stays.
        locked = dict(read_lock(path.parent, str(path), Ledger()))
        locked |= {
            base.reference: state.now for base, state in bases if base.lockfile == path and state.now is not None
        }
        raw = lock_text(locked).encode()
        if not path.exists() or path.read_bytes() != raw:
            texts[path] = raw
    return texts
