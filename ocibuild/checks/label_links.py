"""Labels that lead somewhere: they are there, are URLs, and lead to your project rather than to a tutorial's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ocibuild.checks.labels import LABELS, PREFIX, LabelSet
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.value_types import is_url
from ocibuild.findings import Severity

SOURCE = f"{PREFIX}source"
_OTHER_LINKS = (f"{PREFIX}url", f"{PREFIX}documentation")
_LINKS, _PEOPLE = (SOURCE, *_OTHER_LINKS), (f"{PREFIX}vendor", f"{PREFIX}authors")
# What templates and tutorials leave for their readers to fill in.
_ANYWHERE = r"\bTODO\b|\bFIXME\b|\bCHANGE[-_ ]?ME\b|\bchangeme\b|<[A-Za-z][A-Za-z _-]+>"
_OF_PEOPLE = (
    rf"{_ANYWHERE}|\bexample\.(?:com|net|org)\b"
    r"|\b(?:YOUR|your)[-_ ]?(?:org|ORG|name|NAME|user|USER|repo|REPO|project|PROJECT|company|COMPANY)\w*"
)
_IN_LINKS = (
    rf"{_OF_PEOPLE}|\b(?:OWNER|NAMESPACE|ORG|ORGANIZATION|REPO|REPOSITORY|USER|USERNAME|PROJECT)\b"
    r"|//[^/]+/(?:owner|namespace|user|username|org)/"
)
_PLACEHOLDERS = {**dict.fromkeys(_LINKS, re.compile(_IN_LINKS)), **dict.fromkeys(_PEOPLE, re.compile(_OF_PEOPLE))}
_PLACEHOLDER = re.compile(_ANYWHERE)


def _source_missing(labels: LabelSet) -> Iterator[Fault]:
    """The image does not say where its source code is.

    Why: GHCR links a package to a repository, with its access rights and its README, by this label, and only where it is
    there when the package is first pushed. Scanners and updaters look for it too.
    Source: GitHub documentation, Working with the Container registry; OCI image-spec, annotations.md.
    Mend: add `metadata.source`, in a Dockerfile `LABEL org.opencontainers.image.source=...`.
    """
    entry = labels.get(SOURCE)
    if labels.complete and labels.level == LABELS and (entry is None or entry.value == ""):
        message = f"there is no `{SOURCE}`: the registry cannot link the image to its repository"
        place = entry.place if entry else labels.place
        yield Fault(message, place, "add the https URL of the repository")


def _source_not_url(labels: LabelSet) -> Iterator[Fault]:
    """The source is not an http or https URL.

    Why: nobody can follow it, and GHCR links no repository by it. The addresses that `git clone` takes over ssh are no URLs.
    Source: OCI image-spec, annotations.md ("URL to get source code"); GitHub documentation, Working with the Container registry.
    Mend: write the address of the repository's web page, such as https://github.com/octocat/hello.
    """
    yield from _no_links(labels, (SOURCE,))


def _link_not_url(labels: LabelSet) -> Iterator[Fault]:
    """`url` or `documentation` is not an http or https URL.

    Why: nobody can follow it.
    Source: OCI image-spec, annotations.md, "Pre-Defined Annotation Keys".
    Mend: write an absolute URL, or leave the key out.
    """
    yield from _no_links(labels, _OTHER_LINKS)


def _no_links(labels: LabelSet, keys: tuple[str, ...]) -> Iterator[Fault]:
    for entry, value in labels.known():
        if entry.key in keys and value and not is_url(value):
            yield Fault(f"`{entry.key}` is not a URL", entry.place, _as_url(value))


def _as_url(text: str) -> str:
    short = re.fullmatch(r"(?:ssh://)?git@([\w.-]+)[:/]([\w./-]+?)(?:\.git)?/?", text, re.ASCII)
    bare = re.fullmatch(r"(?:git://)?((?:[\w-]+\.)+[a-z]{2,}/[\w./-]+)", text, re.ASCII)
    if short:
        return f"write https://{short[1]}/{short[2]}"
    return f"write https://{bare[1]}" if bare else "write an absolute URL that begins with https://"


def _placeholder(labels: LabelSet) -> Iterator[Fault]:
    """A label still holds what a template or a tutorial left to be filled in, such as OWNER or example.com.

    Why: the registry links the image to a repository that is not yours, or that does not exist.
    Source: RFC 2606 keeps the example domains free; the other words are those of GitHub's and Docker's own examples.
    Mend: write what is true of this image, or leave the key out.
    """
    for entry, value in labels.known():
        if entry.key.startswith(PREFIX):
            found = _PLACEHOLDERS.get(entry.key, _PLACEHOLDER).search(value)
            if found:
                message = f"`{entry.key}` still has the placeholder {found[0].strip('/')!r}"
                yield Fault(message, entry.place, "write what is true of this image, or leave the key out")


_LABELS = (Scope.LABELS,)
RULES: tuple[Rule[LabelSet], ...] = (
    Rule("source-missing", Severity.WARNING, "The source is not named", _LABELS, _source_missing),
    Rule("source-not-url", Severity.ERROR, "The source is not a URL", _LABELS, _source_not_url),
    Rule("link-not-url", Severity.ERROR, "A link is not a URL", _LABELS, _link_not_url),
    Rule("placeholder", Severity.ERROR, "A label still holds a placeholder", _LABELS, _placeholder),
)
