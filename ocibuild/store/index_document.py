"""A layout's index.json as a value: what it names, and how it looks with one more name. Pure.

It is written canonically and sorted by name, so that equal images give equal bytes; what others wrote stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ocibuild.errors import IntegrityError
from ocibuild.oci.descriptor import Descriptor, descriptor_from_json
from ocibuild.oci.media_type import OCI_INDEX
from ocibuild.store.naming import Entry, entry_of

# Not the limit of a manifest: this one is never sent to a registry, and holds one descriptor a name.
INDEX_LIMIT = 64 * 1024 * 1024


def index_of(descriptors: Iterable[Descriptor]) -> dict[str, Any]:
    """An index.json that names `descriptors`."""
    empty: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    return with_entries(empty, descriptors, subject="a new index")


def entries_of(document: dict[str, Any], *, subject: str) -> list[Entry]:
    """The images that an index.json names, in its order. IntegrityError, naming `subject`, where it is malformed."""
    return [entry for entry, _ in _entries(document, subject)]


def with_entries(
    document: dict[str, Any],
    descriptors: Iterable[Descriptor],
    *,
    subject: str,
    stays: Callable[[Entry], bool] = lambda _: False,
) -> dict[str, Any]:
    """`document` with each descriptor in the place of what had the same image and tag, or added beside what `stays`."""
    new = {(entry := entry_of(descriptor)).key: (entry, descriptor.to_json()) for descriptor in descriptors}
    entries = [(entry, raw) for entry, raw in _entries(document, subject) if entry.key not in new or stays(entry)]
    entries.extend(new.values())
    entries.sort(key=lambda pair: pair[0].key)
    return {**document, "manifests": [raw for _, raw in entries]}


def without_entries(document: dict[str, Any], gone: Callable[[Entry], bool], *, subject: str) -> dict[str, Any]:
    """`document` without the entries that `gone` says yes to."""
    return {**document, "manifests": [raw for entry, raw in _entries(document, subject) if not gone(entry)]}


def _entries(document: dict[str, Any], subject: str) -> list[tuple[Entry, Any]]:
    manifests = document.get("manifests")
    if document.get("schemaVersion") != 2 or not isinstance(manifests, list):
        raise IntegrityError(f"{subject} is no image index")
    return [
        (entry_of(descriptor_from_json(raw, subject=f"manifest {number} of {subject}")), raw)
        for number, raw in enumerate(manifests, 1)
    ]
