"""The names of images, wherever they are written: that they are names, and that they are one's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.errors import UsageError
from ocibuild.findings import Place, Severity
from ocibuild.oci.reference import parse_reference

_PLACEHOLDER = re.compile(r"your[-_]?(?:org|name|user|company)\w*|changeme", re.IGNORECASE)
# These may well be names of projects, but on hosts where anybody can have an account they are nobody's.
_ACCOUNT = re.compile(r"owner|namespace|username|user|organization", re.IGNORECASE)
_OPEN_TO_ALL = ("docker.io", "ghcr.io", "quay.io", "registry.gitlab.com", "public.ecr.aws")
_EXAMPLE_HOST = re.compile(r"(?:.+\.)?example\.(?:com|net|org)(?::\d+)?")


@dataclass(frozen=True, slots=True)
class ImageName:
    """A reference as it is written."""

    text: str
    place: Place


class Named(Protocol):
    """What these rules ask of a spec or of a step in a workflow."""

    def image_names(self) -> Iterable[ImageName]:
        """The names that images get."""


@dataclass(frozen=True, slots=True)
class WorkflowStep:
    """A step of a workflow that pushes an image under names that are literally there."""

    names: tuple[ImageName, ...]

    def image_names(self) -> tuple[ImageName, ...]:
        """All of them."""
        return self.names


def _no_name(subject: Named) -> Iterator[Fault]:
    """What a workflow gives as the name of an image is none: capitals in the repository, say, or characters that tags lack.

    Why: the push fails, after all that was built. Names of accounts on GitHub may have capitals, those of images may not.
    Source: OCI distribution-spec, "Pulling manifests", on <name> and <reference>.
    Mend: write it as the finding says; `${{ github.repository }}` has the capitals of the account in it.
    """
    for name in subject.image_names():
        if _placeholder_in(name.text):
            continue
        try:
            parse_reference(name.text)
        except UsageError as error:
            yield Fault(error.what, name.place, error.hint)


def _placeholder(subject: Named) -> Iterator[Fault]:
    """The name of the image still holds what a template or a tutorial left to be filled in, such as `owner`.

    Why: the push fails, or goes to somebody else's repository.
    Source: the words of GitHub's and Docker's own examples; RFC 2606 keeps the example domains free.
    Mend: write your own name.
    """
    for name in subject.image_names():
        word = _placeholder_in(name.text)
        if word:
            message = f"the name of the image still has the placeholder {word!r}"
            yield Fault(message, name.place, "write the name of your own account or organisation")


def _placeholder_in(text: str) -> str | None:
    try:
        image = parse_reference(text.lower())
    except UsageError:
        return None
    owner, slash, _ = image.repository.partition("/")
    is_account = image.host in _OPEN_TO_ALL and _ACCOUNT.fullmatch(owner)
    if slash and (is_account or _PLACEHOLDER.fullmatch(owner)):
        return owner
    return image.host if _EXAMPLE_HOST.fullmatch(image.host) else None


RULES: tuple[Rule[Any], ...] = (
    Rule("image-name", Severity.ERROR, "The image cannot be named so", (Scope.WORKFLOW,), _no_name),
    Rule(
        "image-placeholder",
        Severity.ERROR,
        "The image's name holds a placeholder",
        (Scope.SPEC, Scope.WORKFLOW),
        _placeholder,
    ),
)
