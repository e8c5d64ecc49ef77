"""Digests, tags and numbers out of paths and queries; what is none is refused."""

from __future__ import annotations

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.oci.digest import Digest, parse_digest
from ocibuild.oci.reference import parse_tag
from ocibuild.server.messages import Request
from ocibuild.server.refusal import Code, refuse


def digest_from(text: str | None) -> Digest:
    """The digest that `text` spells, of an algorithm that can be verified."""
    try:
        digest = parse_digest(text or "")
        digest.hasher()
    except (UsageError, IntegrityError) as error:
        raise refuse(400, Code.DIGEST_INVALID, error.what, {"digest": text}) from error
    return digest


def tag_from(text: str) -> str:
    """The tag that `text` is."""
    try:
        return parse_tag(text)
    except UsageError as error:
        raise refuse(400, Code.MANIFEST_INVALID, error.what, {"tag": text}) from error


def reference_from(text: str) -> Digest | str:
    """The digest or the tag that `text` is: only a digest has a colon."""
    return digest_from(text) if ":" in text else tag_from(text)


def count_from(request: Request) -> int | None:
    """The parameter `n`; None where there is none."""
    text = request.parameter("n")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise refuse(400, Code.UNSUPPORTED, "`n` is not a number of entries", {"n": text})
    return int(text)
