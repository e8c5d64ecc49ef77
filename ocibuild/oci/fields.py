"""Fields of foreign JSON objects, each held to its type. Null is absence; for text, so is "", as Go's readers have it.

Every function raises IntegrityError, naming `subject`, for a value of another kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ocibuild.errors import IntegrityError, UsageError, quoted
from ocibuild.oci.digest import Digest, parse_digest

# Not the whole of RFC 6838: a type that we do not know must not fail a copy, but it may end in an HTTP header.
_MEDIA_TYPE = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?", re.ASCII)


def text_in(document: Mapping[str, Any], name: str, *, subject: str) -> str | None:
    """The text under `name`."""
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise IntegrityError(f"{name} of {subject} is not text: {quoted(value)}")
    return value or None


def media_type_in(document: Mapping[str, Any], name: str, *, subject: str) -> str | None:
    """The media type under `name`: at most 255 printable ASCII characters."""
    value = text_in(document, name, subject=subject)
    if value is not None and not _MEDIA_TYPE.fullmatch(value):
        raise IntegrityError(f"{name} of {subject} is not a media type: {quoted(value)}")
    return value


def texts_in(document: Mapping[str, Any], name: str, *, subject: str) -> tuple[str, ...]:
    """The list of texts under `name`."""
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise IntegrityError(f"{name} of {subject} is not a list of strings: {quoted(value)}")
    return tuple(value)


def object_in(document: Mapping[str, Any], name: str, *, subject: str) -> Mapping[str, Any]:
    """The object under `name`; `{}` for none."""
    value = document.get(name)
    if value is not None and not isinstance(value, dict):
        raise IntegrityError(f"{name} of {subject} is not an object: {quoted(value)}")
    return value or {}


def string_map(value: Any, *, subject: str) -> dict[str, str]:
    """`value` as a JSON object of strings (annotations.md); `{}` for null."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise IntegrityError(f"{subject} is not a map of strings: {quoted(value)}")
    return dict(value)


def promised_digest(text: str, *, subject: str) -> Digest:
    """The digest that `text` spells: a document that holds something else is broken, and no fault of the user's."""
    try:
        return parse_digest(text)
    except UsageError as error:
        raise IntegrityError(f"{subject}: {error.what}") from error
