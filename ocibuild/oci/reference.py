"""Names of images in registries, and of the other places an image can be in.

The grammar is that of the distribution project and of distribution-spec ("Pulling manifests"): host, repository, tag, digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address

from ocibuild.errors import UsageError, quoted
from ocibuild.oci.digest import Digest, parse_digest

DOCKER_HUB = "docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[([a-fA-F0-9:]+)\])(?::([0-9]{{1,5}}))?", re.ASCII)
_BARE_DIGEST = re.compile(r"[a-f0-9]{64}", re.ASCII)
_NAME_LIMIT = 255
_HINT = "a reference is HOST/REPOSITORY[:TAG][@DIGEST], for example ghcr.io/octocat/hello:1.0"


@dataclass(frozen=True, slots=True)
class Reference:
    """`host/repository[:tag][@digest]`. With both, the digest decides and the tag is a comment."""

    host: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """`host/repository`, fully qualified."""
        return f"{self.host}/{self.repository}"

    @property
    def short(self) -> str:
        """`hello:1.2.3`: what tells the images of one run apart, for people."""
        return f"{self.repository.rpartition('/')[2]}{f':{self.tag}' if self.tag else ''}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    def with_tag(self, tag: str) -> Reference:
        """The same repository under `tag`, without a digest. UsageError if `tag` is not one."""
        return replace(self, tag=parse_tag(tag), digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository at `digest`, without a tag."""
        return replace(self, tag=None, digest=digest)

    def or_latest(self) -> Reference:
        """Itself, or with the tag `latest` where neither tag nor digest is given (for reading only)."""
        return self if self.tag or self.digest else replace(self, tag="latest")


def parse_reference(text: str) -> Reference:
    """The registry reference that `text` spells, Docker Hub's short forms included. UsageError says what is wrong with it."""
    bare = text.removeprefix("docker://")
    scheme, separator, _ = bare.partition("://")
    if separator:  # what follows may hold a password, so it is not shown
        raise UsageError(f"an image reference does not begin with {quoted(scheme + separator)}", hint=_HINT)
    if _BARE_DIGEST.fullmatch(bare):
        raise UsageError(
            f"{quoted(text)} is not an image reference: 64 hexadecimal digits are an image's ID",
            hint="write its repository, or REPOSITORY@sha256:DIGEST",
        )
    rest, at, digest_text = bare.partition("@")
    digest = parse_digest(digest_text) if at else None
    tag = None
    head, colon, tail = rest.rpartition(":")
    if colon and "/" not in tail:
        rest, tag = head, _tag_in(tail, text)
    host, repository = _split_host(rest)
    _check_host(host, text)
    _check_repository(repository, text)
    if len(host) + 1 + len(repository) > _NAME_LIMIT:
        raise UsageError(
            f"{quoted(text)} is not an image reference: the name is longer than {_NAME_LIMIT} characters",
            hint="shorten the repository",
        )
    return Reference(host, repository, tag, digest)


def _tag_in(tail: str, text: str) -> str:
    try:
        return parse_tag(tail)
    except UsageError as error:
        raise UsageError(f"{quoted(text)} is not an image reference: {error.what}", hint=error.hint) from error


def parse_tag(text: str) -> str:
    """`text`, if it is a tag: at most 128 of `A-Za-z0-9._-`, not beginning with `.` or `-`. UsageError if not."""
    if not _TAG.fullmatch(text):
        raise UsageError(
            f"{quoted(text)} is not a tag",
            hint="a tag has 1 to 128 letters, digits, `_`, `.` or `-`, and begins with a letter, a digit or `_`",
        )
    return text


def _looks_like_host(text: str) -> bool:
    return any(mark in text for mark in ".:[") or text == "localhost" or text != text.lower()


def _split_host(rest: str) -> tuple[str, str]:
    first, slash, remainder = rest.partition("/")
    if not slash or not _looks_like_host(first):
        host, repository = DOCKER_HUB, rest
    else:
        host, repository = first, remainder
    if host == "index.docker.io":
        host = DOCKER_HUB
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return host, repository


def _check_host(host: str, text: str) -> None:
    match = _HOST.fullmatch(host)
    address, port = match.groups() if match else (None, None)
    if match is None or (address is not None and not _is_ipv6(address)):
        fault = f"{quoted(host)} is not a host name"
    elif port is not None and not 1 <= int(port) <= 65535:
        fault = f"there is no port {port}"
    else:
        return
    raise UsageError(f"{quoted(text)} is not an image reference: {fault}", hint=_HINT)


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _check_repository(repository: str, text: str) -> None:
    if _REPOSITORY.fullmatch(repository):
        return
    lower = repository.lower()
    if repository != lower and _REPOSITORY.fullmatch(lower):
        written = repository.removeprefix("library/")
        raise UsageError(
            f"{quoted(text)} is not an image reference: a repository is written in lower case",
            hint=f"write {text.replace(written, written.lower())}, or `{{{{ name | lower }}}}` in a spec",
        )
    raise UsageError(f"{quoted(text)} is not an image reference", hint=_HINT)


def tags_by_repository(references: Iterable[Reference]) -> dict[Reference, tuple[str, ...]]:
    """Each repository once, with the tags that are given for it, in order. UsageError for a reference by digest."""
    repositories: dict[Reference, dict[str, None]] = {}
    for reference in references:
        if reference.digest is not None:
            raise UsageError(
                f"{reference} is a digest, and an image is sent to a tag", hint="drop the part from `@` on"
            )
        tags = repositories.setdefault(replace(reference, tag=None), {})
        if reference.tag:
            tags[reference.tag] = None
    return {repository: tuple(tags) for repository, tags in repositories.items()}


def tag_within(reference: Reference, name: str) -> str:
    """The tag that `name`, a tag or a full reference, means in the repository of `reference`. UsageError if it is elsewhere."""
    if not any(mark in name for mark in ":/"):
        return parse_tag(name)
    new = parse_reference(name)
    if new.name != reference.name or new.tag is None:
        raise UsageError(
            f"{name} is no tag in {reference.name}",
            hint=f"to have the image there, run `ocibuild copy {reference} {name}`",
        )
    return new.tag
