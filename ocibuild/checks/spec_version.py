"""That the version and the tags of a spec agree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ocibuild.checks.labels import PREFIX
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.spec_subject import SpecUnderCheck, label_path
from ocibuild.findings import Severity

_VERSION = f"{PREFIX}version"
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
        place = spec.text.place(label_path(spec.text, _VERSION) or ())
        yield Fault(message, place, "write the version once, under `vars`, and {{ version }} here")


def _belong_together(version: str, tag: str) -> bool:
    # A tag may add what was built for: 1.2.3-alpine is of version 1.2.3.
    return tag == version or tag.startswith((f"{version}-", f"{version}."))


_SPEC = (Scope.SPEC,)
RULES: tuple[Rule[SpecUnderCheck], ...] = (
    Rule("version-not-tag", Severity.WARNING, "Version and tags disagree", _SPEC, _version_not_tag),
)
