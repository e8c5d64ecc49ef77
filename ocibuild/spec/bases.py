"""The base images of specs as they are written, for what pins them: where each stands, and how it reads with a digest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocibuild.oci.digest import Digest
from ocibuild.oci.location import RegistryLocation
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.spec.load import Facts, Overrides, load_renderings
from ocibuild.spec.lockfile import NAME, Locked
from ocibuild.spec.nodes import Node, ScalarNode, child, span_of
from ocibuild.spec.plans import Rendering, locked_bases
from ocibuild.spec.platforms import read_base
from ocibuild.spec.source import Span
from ocibuild.spec.values import is_template
from ocibuild.spec.view import View

_PROPERTIES = re.compile(r"\A(?:[&!]\S*\s+)+")  # an anchor or a tag, which stand before the text


@dataclass(frozen=True, slots=True)
class WrittenBase:
    """A base image in a registry. `reference` has a tag, or a digest, or both; `written` is the text, None for a template.

    `lockfile` is that of the spec's directory, and `locked` what it says of the tag.
    """

    reference: Reference
    span: Span
    written: str | None
    lockfile: Path
    locked: Digest | None

    @property
    def pinned(self) -> Digest | None:
        """The digest that a build uses."""
        return self.reference.digest or self.locked

    @property
    def can_be_edited(self) -> bool:
        """Whether its text stands in the file as it is, on one line, so that a digest can be put behind it."""
        return self.written is not None and _PROPERTIES.sub("", self.span.text).strip("'\"") == self.written

    def pinned_text(self, digest: Digest) -> str:
        """The text in the file, quotes included, once it is pinned to `digest`."""
        assert self.written is not None
        name, _, _ = self.written.partition("@")
        tagged = name if parse_reference(name).tag else f"{name}:latest"
        return self.span.text.replace(self.written, f"{tagged}@{digest}")


def written_bases(paths: Sequence[Path], overrides: Overrides, facts: Facts) -> tuple[WrittenBase, ...]:
    """The bases of all specs at `paths` that are in registries, each once for every place it is written at."""
    found: dict[tuple[str, int, Reference, Path], WrittenBase] = {}
    for rendering in load_renderings(paths, overrides, facts):
        locked = locked_bases(rendering.document)
        for rendered in rendering.platforms:
            view, location = read_base(rendered.spec, rendered.platform, rendering.document.directory)
            if view is not None and isinstance(location, RegistryLocation):
                base = _written(rendering, view, location.reference, locked)
                key = base.span.source.name, base.span.start, base.reference, base.lockfile
                found.setdefault(key, base)
    return tuple(found.values())


def pin(text: str, edits: Mapping[tuple[int, int], str]) -> str:
    """`text` with stretches of it (where they begin, where they end) replaced; all else stays as it is."""
    for start, end in sorted(edits, reverse=True):
        text = text[:start] + edits[start, end] + text[end:]
    return text


def _written(rendering: Rendering, view: View, reference: Reference, locked: Locked) -> WrittenBase:
    document = rendering.document
    node: Node | None = document.root
    for key in view.path:
        node = child(node, key)
    span = span_of(document.root, view.path)
    plain = isinstance(node, ScalarNode) and not is_template(node.text)
    tagged = reference.or_latest()
    return WrittenBase(
        tagged, span, view.text if plain else None, document.directory / NAME, locked.get(replace(tagged, digest=None))
    )
