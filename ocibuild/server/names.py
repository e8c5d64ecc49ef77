"""The names that a place lists, as repositories with tags. Pure.

A name is served under its repository, whatever its host: `ghcr.io/octocat/hello:1.0` is `/v2/octocat/hello/manifests/1.0`.
What is pushed is listed under the host `localhost`, so that it never passes for somebody else's image; where several
hosts have one tag, that one is served first, and then the first of the list. Names without a repository are in `layout`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ocibuild.errors import UsageError
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.reference import Reference, parse_tag
from ocibuild.server.storage import Named

OWN_HOST = "localhost"
BARE_REPOSITORY = "layout"


@dataclass(frozen=True, slots=True)
class Names:
    """What is listed, by repository: each tag, and all that a name leads to."""

    tags: Mapping[str, Mapping[str, Descriptor]]
    roots: Mapping[str, Sequence[Descriptor]]


def repository_of(name: Named) -> str:
    """The repository that a listed name is served under."""
    return name.reference.repository if name.reference else BARE_REPOSITORY


def is_own(name: Named, repository: str) -> bool:
    """Whether a listed name is one that a push to `repository` made."""
    return name.reference is not None and (name.reference.host, name.reference.repository) == (OWN_HOST, repository)


def own_name(repository: str, tag: str | None = None) -> Reference:
    """The name that a push to `repository` is listed under."""
    return Reference(OWN_HOST, repository, tag)


def names_of(listed: Sequence[Named]) -> Names:
    """The names by repository. A tag that cannot be asked for is left out; what it leads to is not."""
    tags: dict[str, dict[str, Descriptor]] = {}
    roots: dict[str, list[Descriptor]] = {}
    for name in listed:
        repository = repository_of(name)
        roots.setdefault(repository, []).append(name.descriptor)
        known = tags.setdefault(repository, {})
        if name.tag is None or not _is_tag(name.tag):
            continue
        if name.tag not in known or is_own(name, repository):
            known[name.tag] = name.descriptor
    return Names(tags, roots)


def _is_tag(text: str) -> bool:
    try:
        parse_tag(text)
    except UsageError:
        return False
    return True
