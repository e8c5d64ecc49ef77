"""The keys of labels and annotations: known ones are spelt right, and nobody else's are used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from ocibuild.checks.labels import PREFIX, LabelSet
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.findings import Severity

# OCI image-spec 1.1, annotations.md, "Pre-Defined Annotation Keys".
KNOWN = (
    "created", "authors", "url", "documentation", "source", "version", "revision", "vendor", "licenses", "ref.name",
    "title", "description", "base.digest", "base.name",
)  # fmt: skip
_MEANT = {"license": "licenses", "licence": "licenses", "licences": "licenses", "author": "authors", "name": "title",
          "maintainer": "authors", "maintainers": "authors", "homepage": "url", "commit": "revision"}  # fmt: skip
_RESERVED = ("org.opencontainers.", "com.docker.", "io.docker.", "org.dockerproject.")
# What these namespaces ask others to write: the keys of the specification, and those of extensions of Docker Desktop.
_FOR_ALL = (PREFIX, "com.docker.desktop.extension.", "com.docker.extension.")
_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?", re.ASCII)


def _unknown_key(labels: LabelSet) -> Iterator[Fault]:
    """A key below `org.opencontainers.image.` that the specification does not define; mostly a slip of the keyboard.

    Why: nobody reads it, and what should have been said is not.
    Source: OCI image-spec, annotations.md: only the keys defined there are to be used below this prefix.
    Mend: write the key that is meant, or a key below a domain of your own.
    """
    for entry in labels.entries:
        name = entry.key.removeprefix(PREFIX)
        if entry.key.lower().startswith(PREFIX) and (entry.key == name or name not in KNOWN):
            word = name.lower().removeprefix(PREFIX)
            near = [_MEANT[word]] if word in _MEANT else get_close_matches(word, KNOWN, 1, 0.6)
            hint = f"did you mean `{PREFIX}{near[0]}`?" if near else f"there are {', '.join(KNOWN)}"
            yield Fault(f"`{entry.key}` is not a key of the OCI image specification", entry.at_key, hint)


def _reserved_namespace(labels: LabelSet) -> Iterator[Fault]:
    """A key in a namespace that belongs to somebody else: `org.opencontainers.`, or one of Docker's.

    Why: its owner may give it a meaning at any time, and tools may act on it.
    Source: OCI image-spec, annotations.md, "Rules"; Docker documentation, Docker object labels, "Guidelines".
    Mend: use a domain of your own, reversed, such as `com.example.`.
    """
    for entry in labels.entries:
        key = entry.key.lower()
        prefix = next((prefix for prefix in _RESERVED if key.startswith(prefix)), None)
        if prefix is not None and not key.startswith(_FOR_ALL):
            message = f"`{entry.key}` is in the reserved namespace `{prefix}`"
            yield Fault(message, entry.at_key, "begin the key with a domain of your own, reversed")


def _key_form(labels: LabelSet) -> Iterator[Fault]:
    """A key with characters that keys should not have, such as blanks, quotes or `=`, or with a dot at its end.

    Why: filters such as `docker ps --filter label=KEY=VALUE` and label selectors cannot name it. Mostly quotes went astray.
    Source: OCI image-spec, annotations.md, "Rules"; Docker documentation, Docker object labels, "Guidelines".
    Mend: use letters, digits, `.`, `-`, `_` and `/`, with a letter or a digit at both ends.
    """
    for entry in labels.entries:
        if not _KEY.fullmatch(entry.key):
            message = f"{entry.key[:80]!r} is not of the form that keys of labels have"
            hint = "use letters, digits, `.`, `-`, `_` and `/`, and a letter or a digit at both ends"
            yield Fault(message, entry.at_key, hint)


def _repeated(labels: LabelSet) -> Iterator[Fault]:
    """A key is given twice with different values; the last one wins.

    Why: one of the two is not what readers of the file believe.
    Source: Dockerfile reference, "LABEL": the most recently applied value overrides.
    Mend: keep one of the two.
    """
    seen: dict[str, str | None] = {}
    for entry in labels.entries:
        if entry.key in seen and seen[entry.key] != entry.value:
            yield Fault(f"`{entry.key}` was given another value before", entry.at_key, "keep one of the two")
        seen[entry.key] = entry.value


def _syntax(labels: LabelSet) -> Iterator[Fault]:
    """A `LABEL` instruction, or a line of labels in a workflow, that cannot be read.

    Why: the build fails, or sets another label than the one that is meant.
    Source: Dockerfile reference, "LABEL"; docker/build-push-action, "inputs".
    Mend: write `key=value`, and put double quotes around a value with blanks.
    """
    yield from labels.broken


_LABELS = (Scope.LABELS,)
RULES: tuple[Rule[LabelSet], ...] = (
    Rule("label-syntax", Severity.ERROR, "A label cannot be read", _LABELS, _syntax),
    Rule("unknown-oci-key", Severity.ERROR, "The specification knows no such key", _LABELS, _unknown_key),
    Rule("reserved-namespace", Severity.WARNING, "The key is in a reserved namespace", _LABELS, _reserved_namespace),
    Rule("label-key-form", Severity.WARNING, "The key has odd characters", _LABELS, _key_form),
    Rule("label-repeated", Severity.WARNING, "A label is given twice", _LABELS, _repeated),
)
