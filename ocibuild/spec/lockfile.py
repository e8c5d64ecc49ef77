"""`ocibuild.lock`: what the tags of base images led to when `ocibuild lock` looked. It stands beside the specs it is for.

One reference with its digest a line, as it could stand in a spec: diffs and merges are readable, and so are the updates of
bots that look for `NAME:TAG@sha256:...`. A base that the spec itself pins is not looked up here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ocibuild.errors import SpecError, UsageError
from ocibuild.oci.digest import Digest
from ocibuild.oci.location import Location, RegistryLocation
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.source import Source, read_source

NAME = "ocibuild.lock"
_RULE = "spec-lock"
_HEAD = "# What the tags of base images led to. `ocibuild lock` writes this file, and builds use what it says.\n"

Locked = Mapping[Reference, Digest]


def read_lock(directory: Path, shown_as: str, ledger: Ledger) -> Locked:
    """The digests by tagged reference; none where there is no such file. What is wrong with it goes into `ledger`."""
    path = directory / NAME
    if not path.exists():
        return {}
    try:
        source = replace(read_source(path), name=shown_as)
    except SpecError as error:
        ledger.take(error.findings)
        return {}
    return _parse(source, ledger)


def lock_text(locked: Locked) -> str:
    """The text of the file: sorted, so that the order in which specs are read does not matter."""
    return _HEAD + "".join(sorted(f"{replace(tagged, digest=digest)}\n" for tagged, digest in locked.items()))


def with_lock(location: Location | None, locked: Locked) -> Location | None:
    """The location, by its digest where it is a tag that is locked."""
    if not isinstance(location, RegistryLocation) or location.reference.digest is not None:
        return location
    tagged = location.reference.or_latest()
    digest = locked.get(tagged)
    return location if digest is None else RegistryLocation(replace(tagged, digest=digest))


def _parse(source: Source, ledger: Ledger) -> Locked:
    locked: dict[Reference, Digest] = {}
    for number, line in enumerate(source.text.splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        start = source.line_start(number)
        place = source.span(start, start + len(line)).place
        try:
            reference = _parse_line(text)
        except UsageError as error:
            ledger.add(_RULE, error.what, place, error.hint)
            continue
        tagged = replace(reference, digest=None)
        if tagged in locked and locked[tagged] != reference.digest:
            ledger.add(_RULE, f"{tagged} is here a second time, with another digest", place, "run `ocibuild lock`")
        assert reference.digest is not None
        locked[tagged] = reference.digest
    return locked


def _parse_line(text: str) -> Reference:
    reference = parse_reference(text)
    if reference.tag is None or reference.digest is None:
        raise UsageError(f"{text!r} is not NAME:TAG@DIGEST", hint="remove the line, and run `ocibuild lock`")
    return reference
