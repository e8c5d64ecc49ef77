"""The names of an image: its repository and its tags, from the spec or from --tag."""

from __future__ import annotations

from ocibuild.errors import SpecError, UsageError
from ocibuild.findings import Finding, Place
from ocibuild.oci.reference import Reference, parse_reference, parse_tag
from ocibuild.spec.view import View

_REFERENCE, _TAG = "spec-bad-reference", "spec-bad-tag"


def read_names(spec: View, asked: tuple[str, ...]) -> tuple[Reference | None, tuple[str, ...]]:
    """Repository and tags. `asked` (--tag) replaces the tags, and the repository where it gives full references."""
    image = spec.parse_of("image", _parse_repository, _REFERENCE)
    tags = _read_tags(spec)
    if not asked:
        return image, tags
    repository, asked_tags = _split(asked)
    return repository or image, asked_tags or tags


def _read_tags(spec: View) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for view in spec.items("tags"):
        tag = view.parse(parse_tag, _TAG)
        if tag is not None and tag in tags:
            view.refuse(_TAG, f"the tag {tag} is here a second time", "keep one of the two")
        elif tag is not None:
            tags[tag] = None
    return tuple(tags)


def _parse_repository(text: str) -> Reference:
    reference = parse_reference(text)
    if reference.tag or reference.digest:
        hint = f"write the tag under `tags`: [{reference.tag}]" if reference.tag else "leave the digest out"
        raise UsageError(f"`image` names a repository, without a {'tag' if reference.tag else 'digest'}", hint=hint)
    return reference


def _split(asked: tuple[str, ...]) -> tuple[Reference | None, tuple[str, ...]]:
    repositories: dict[Reference, None] = {}
    tags: dict[str, None] = {}
    for text in asked:
        reference, tag = _parse_asked(text)
        if reference is not None:
            repositories[reference] = None
        if tag is not None:
            tags[tag] = None
    if len(repositories) > 1:
        names = " and ".join(reference.name for reference in repositories)
        raise _refuse(_REFERENCE, f"--tag names several repositories: {names}", "build for one, then `ocibuild copy`")
    return next(iter(repositories), None), tuple(tags)


def _parse_asked(text: str) -> tuple[Reference | None, str | None]:
    try:
        if "/" not in text and ":" not in text:
            return None, parse_tag(text)
        reference = parse_reference(text)
    except UsageError as error:
        raise _refuse(_REFERENCE, error.what, error.hint) from error
    if reference.digest is not None:
        raise _refuse(_REFERENCE, f"{text!r} has a digest, which only building can tell", "leave it out")
    return Reference(reference.host, reference.repository), reference.tag


def _refuse(rule: str, message: str, hint: str | None) -> SpecError:
    return SpecError(message, (Finding(rule, message, Place("--tag"), hint),))
