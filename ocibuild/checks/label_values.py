"""The values of labels: times, names of base images, text that a page can show."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ocibuild.checks.labels import PREFIX, LabelSet
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.value_types import is_time
from ocibuild.errors import UsageError
from ocibuild.findings import Severity
from ocibuild.oci.digest import parse_digest
from ocibuild.oci.reference import parse_reference

_VARIABLE = re.compile(r"\$\{[A-Za-z_][^}]{0,100}\}|(?<!\$)\$[A-Z_][A-Z0-9_]+\b")
_TEMPLATE = re.compile(r"\{\{[^}]{0,100}\}\}|%[A-Z_]{1,100}%")  # which what reads a label of its own may well fill in


def _created_not_time(labels: LabelSet) -> Iterator[Fault]:
    """`created` is not a date and time of RFC 3339.

    Why: it is the one form that the specification allows; runtimes refuse a config with another one.
    Source: OCI image-spec, annotations.md, "created"; RFC 3339, section 5.6.
    Mend: write it as 2024-01-31T12:00:00Z.
    """
    for entry, value in labels.known():
        if entry.key == f"{PREFIX}created" and value and not is_time(value):
            yield Fault(f"{value[:80]!r} is not a time of RFC 3339", entry.place, "write it as 2024-01-31T12:00:00Z")


def _base_name(labels: LabelSet) -> Iterator[Fault]:
    """`base.name` is not a full reference, or `base.digest` is not a digest.

    Why: tools that look for newer base images follow these two, and cannot follow a short name.
    Source: OCI image-spec, annotations.md: "base.name" should be fully qualified; "base.digest" is that image's digest.
    Mend: write host, repository and tag, such as docker.io/library/debian:12; `ocibuild build` writes both by itself.
    """
    for entry, value in labels.known():
        name = entry.key.removeprefix(f"{PREFIX}base.")
        if value and name in ("name", "digest") and entry.key != name:
            wanted = "a full reference" if name == "name" else "a digest"
            hint = "write HOST/REPOSITORY:TAG" if name == "name" else "write sha256: and 64 hexadecimal digits"
            if not (_is_full_reference(value) if name == "name" else _is_digest(value)):
                yield Fault(f"{value[:80]!r} is not {wanted}", entry.place, hint)


def _is_full_reference(text: str) -> bool:
    try:
        reference = parse_reference(text)
    except UsageError:
        return False
    host = text.partition("/")[0]
    return "/" in text and host in (reference.host, "docker.io")


def _is_digest(text: str) -> bool:
    try:
        parse_digest(text)
    except UsageError:
        return False
    return True


def _not_plain(labels: LabelSet) -> Iterator[Fault]:
    """A value of an `org.opencontainers.image.` key with line ends or control characters, or with blanks around it.

    Why: pages show one line of plain text; tools compare values exactly, and blanks cannot be seen.
    Source: GitHub documentation, Working with the Container registry ("text only"); OCI image-spec, annotations.md, "Rules".
    Mend: write one line without blanks at its ends. In YAML, `>-` folds a long text into one.
    """
    for entry, value in labels.known():
        if entry.key.startswith(PREFIX) and (value != value.strip() or not value.isprintable()):
            what = "has blanks at its ends" if value.strip().isprintable() else "has line ends or control characters"
            yield Fault(f"the value of `{entry.key}` {what}", entry.place, "write one line, without blanks around it")


def _unexpanded(labels: LabelSet) -> Iterator[Fault]:
    """A value in which a variable was not filled in, such as `${VERSION}`.

    Why: the label says the name of a variable instead of its value. In a spec, variables are written `{{ version }}`; in
    single quotes a Dockerfile expands nothing.
    Source: Dockerfile reference, "Environment replacement"; the spec's `vars`.
    Mend: declare the variable and use it in the form that the file has.
    """
    for entry, value in labels.known():
        found = _VARIABLE.search(value) or (_TEMPLATE.search(value) if entry.key.startswith(PREFIX) else None)
        if found:
            yield Fault(
                f"`{entry.key}` holds {found[0][:40]!r}, which nothing fills in",
                entry.place,
                "write the value that is meant",
            )


_LABELS = (Scope.LABELS,)
RULES: tuple[Rule[LabelSet], ...] = (
    Rule("created-not-rfc3339", Severity.ERROR, "The time is not RFC 3339", _LABELS, _created_not_time),
    Rule("base-not-reference", Severity.WARNING, "The base image is not named in full", _LABELS, _base_name),
    Rule("label-not-plain", Severity.WARNING, "A value is not one line of plain text", _LABELS, _not_plain),
    Rule("unexpanded-variable", Severity.WARNING, "A variable was not filled in", _LABELS, _unexpanded),
)
