"""What has to hold of a layout whatever happened, in the words of an oracle that shares no code with ocibuild."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.oracles.layouts import read_layout

REF_NAME, IMAGE_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a layout names (image and tag -> digest), and its finished blobs."""

    names: dict[tuple[str, str], str]
    blobs: frozenset[str]


def holdings(layout: Path) -> Holdings:
    """What `layout` holds; nothing where it was not made yet. AssertionError unless all that it has and names is whole."""
    files = [path for path in (layout / "blobs").glob("*/*") if not is_temporary(path)]
    for file in files:
        assert hashlib.new(file.parent.name, file.read_bytes()).hexdigest() == file.name
    blobs = frozenset(file.name for file in files)
    if not (layout / "oci-layout").exists():
        return Holdings({}, blobs)
    read_layout(layout)
    listed = json.loads((layout / "index.json").read_bytes())["manifests"]
    # A server lists manifests without a tag too, until an index that is pushed later leads to them.
    tagged = [entry for entry in listed if REF_NAME in entry.get("annotations", {})]
    names = {_name(entry["annotations"]): entry["digest"] for entry in tagged}
    assert len(names) == len(tagged), "a name is listed twice"
    return Holdings(names, blobs)


def _name(annotations: Mapping[str, str]) -> tuple[str, str]:
    return annotations.get(IMAGE_NAME, ""), annotations[REF_NAME]


def check_nothing_lost(before: Holdings, layout: Path) -> Holdings:
    """What `layout` holds now: all of `before`, for no name is taken away and no blob is removed by any of our runs."""
    after = holdings(layout)
    assert before.names.keys() <= after.names.keys(), before.names.keys() - after.names.keys()
    assert before.blobs <= after.blobs, before.blobs - after.blobs
    return after


def is_temporary(path: Path) -> bool:
    return path.name.endswith(".tmp")


def leftovers(directory: Path) -> list[str]:
    """Files and directories in the making that somebody left behind."""
    paths = [path.relative_to(directory) for path in directory.rglob("*")]
    found = (path for path in paths if is_temporary(path) or path.name.startswith(".ocibuild-"))
    return sorted(str(path) for path in found if path.name != ".ocibuild-uploads")


def check_tidy(directory: Path) -> None:
    """Nothing in the making was left behind."""
    left = leftovers(directory)
    assert not left, left
