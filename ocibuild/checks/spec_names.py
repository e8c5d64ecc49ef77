"""That a spec is of one mind with itself: its names, its tags, and the levels that a description stands on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ocibuild.checks.labels import PREFIX
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.spec_labels import label_path
from ocibuild.checks.spec_subject import SpecUnderCheck
from ocibuild.findings import Place, Severity
from ocibuild.oci.media_type import Format
from ocibuild.plan import Strings

_DESCRIPTION, _VERSION = f"{PREFIX}description", f"{PREFIX}version"
_FULL_VERSION = re.compile(r"v?(\d+\.\d+\.\d+(?:[-.][0-9A-Za-z.-]+)?)", re.ASCII)


def _version_not_tag(spec: SpecUnderCheck) -> Iterator[Fault]:
    """The version label names another version than the tags do.

    Why: one of the two was forgotten when the version changed, and readers of the label believe what it says.
    Source: OCI image-spec, annotations.md, "version": the label may match a tag or a version of the packaged software.
    Mend: say the version once, under `vars`, and write `{{ version }}` in both places.
    """
    found = [version.group(1) for tag in spec.plan.tags if (version := _FULL_VERSION.fullmatch(tag))]
    said = dict(spec.platforms[0].plan.labels).get(_VERSION) if spec.platforms else None
    match = _FULL_VERSION.fullmatch(said or "")
    if spec.knows_all_tags and found and match and not any(_belong_together(match.group(1), tag) for tag in found):
        message = f"the version is {said}, and no tag is of that version: {', '.join(spec.plan.tags)}"
        yield Fault(
            message, _label_place(spec, _VERSION), "write the version once, under `vars`, and {{ version }} here"
        )


def _belong_together(version: str, tag: str) -> bool:
    # A tag may add what was built for: 1.2.3-alpine is of version 1.2.3.
    return tag == version or tag.startswith((f"{version}-", f"{version}."))


def _description_not_read(spec: SpecUnderCheck) -> Iterator[Fault]:
    """There is a description, and it stands on no level that the registry's page reads.

    Why: GHCR shows "No description provided": of a single image it reads the labels, of several platforms the annotations of
    the index.
    Source: GitHub documentation, Working with the Container registry; bazel-contrib/rules_oci issue 798.
    Mend: write it under `metadata`, which reaches every level. The docker format has no annotations: use `format: oci`.
    """
    if not spec.profile.reads_labels or not spec.platforms:
        return
    part = spec.platforms[0].plan
    levels: dict[str, tuple[Strings, Place]] = {
        "labels": (part.labels, _label_place(spec, _DESCRIPTION)),
        "manifest annotations": (part.annotations, spec.text.place(("annotations", "manifest", _DESCRIPTION))),
        "index annotations": (spec.plan.index_annotations, spec.place),
    }
    read = "index annotations" if spec.plan.is_index else "labels"
    said = [(level, place) for level, (values, place) in levels.items() if dict(values).get(_DESCRIPTION)]
    if said and read not in [level for level, _ in said]:
        level, place = said[0]
        hint = "use `format: oci`" if spec.plan.format is Format.DOCKER else "write it under `metadata`"
        yield Fault(
            f"the description is in the {level} only; the page of profile {spec.profile.name} reads the {read}",
            place,
            hint,
        )


def _label_place(spec: SpecUnderCheck, key: str) -> Place:
    path = label_path(spec.text, key)
    return spec.text.place(path) if path else spec.place


_SPEC = (Scope.SPEC,)
RULES: tuple[Rule[SpecUnderCheck], ...] = (
    Rule("version-not-tag", Severity.WARNING, "Version and tags disagree", _SPEC, _version_not_tag),
    Rule("description-not-read", Severity.WARNING, "The description is not read", _SPEC, _description_not_read),
)
