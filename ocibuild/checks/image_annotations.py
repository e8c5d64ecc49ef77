"""Whether annotations and labels of an image stand where they are read. What they say is judged by the rules for labels."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild.checks.image_subject import ImageUnderCheck, title_of
from ocibuild.checks.labels import LABELS, PREFIX
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.findings import Severity
from ocibuild.oci.documents import Index
from ocibuild.oci.media_type import Format, family_of

_SHOWN = ("source", "description", "licenses")  # what a registry's page has room for


def _text_not_read(image: ImageUnderCheck) -> Iterator[Fault]:
    """Source, description or licenses stand in the image, but not where the registry's page reads them.

    Why: GHCR shows "No description provided", and links no repository: of a single image it reads the labels, of several
    platforms the annotations of the index.
    Source: GitHub documentation, Working with the Container registry; bazel-contrib/rules_oci issue 798.
    Mend: write them under `metadata`, which reaches every level; of an index that was merged, annotate the index too.
    """
    if not image.profile.reads_labels:
        return
    read = "index annotations" if isinstance(image.root.document, Index) else LABELS
    said: dict[str, list[str]] = {}
    for labels in image.label_sets():
        for entry, value in labels.known():
            if value:
                said.setdefault(entry.key, []).append(labels.level)
    for word in _SHOWN:
        levels = said.get(PREFIX + word, [])
        if levels and read not in levels:
            message = f"the {word} is in the {levels[0]} only, and {image.profile.name} reads the {read}"
            yield Fault(message, image.place, f"add `{PREFIX}{word}` to the {read}")


def _docker_annotations(image: ImageUnderCheck) -> Iterator[Fault]:
    """A document in Docker's format has annotations.

    Why: the format knows none, so that most tools drop them as soon as they rewrite the document.
    Source: Docker image manifest version 2, schema 2, which lists the fields that there are.
    Mend: use the OCI format (`format: oci`), or labels.
    """
    for node in image.root.walk():
        if family_of(node.document.media_type) is Format.DOCKER and node.document.annotations:
            message = f"{title_of(node)} has annotations, and is {node.document.media_type}"
            yield Fault(message, image.place, "use the OCI format, or labels")


_IMAGE = (Scope.IMAGE,)
RULES: tuple[Rule[ImageUnderCheck], ...] = (
    Rule("text-not-read", Severity.WARNING, "A text stands where no page reads it", _IMAGE, _text_not_read),
    Rule("docker-annotations", Severity.WARNING, "Docker's format has no annotations", _IMAGE, _docker_annotations),
)
