"""Whether annotations of an image stand where they are read. What they say is judged by the rules for labels."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild.checks.image_subject import ImageUnderCheck, title_of
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.findings import Severity
from ocibuild.oci.media_type import Format, family_of


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
    Rule("docker-annotations", Severity.WARNING, "Docker's format has no annotations", _IMAGE, _docker_annotations),
)
