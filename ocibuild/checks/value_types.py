"""What the values of labels can be: one judge for each type that a policy may ask for, and in words what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from ocibuild.policy import ValueType

# RFC 3339, section 5.6; a leap second is no time that Python knows, and is not meant either.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# semver.org, version 2.0.0, item 2, 9 and 10.
_NUMBER, _WORD = r"(?:0|[1-9]\d*)", r"[0-9A-Za-z-]+"
_PRE = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRE}(?:\.{_PRE})*)?(?:\+{_WORD}(?:\.{_WORD})*)?", re.ASCII)
_LICENSE_LIMIT = 4096
_HASH = re.compile(r"[0-9a-f]{7,40}|[0-9a-f]{64}", re.ASCII)
_EMAIL = re.compile(r"[^\s@<>,;]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}")


def is_url(text: str) -> bool:
    """Whether it is an absolute http or https URL."""
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_time(text: str) -> bool:
    """Whether it is a date and time of RFC 3339."""
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True


def is_license(text: str) -> bool:
    """Whether it is an SPDX license expression, whatever the case of its letters."""
    return canonical_license(text) is not None


def canonical_license(text: str) -> str | None:
    """An SPDX license expression as the SPDX list spells it; None if it is none."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if len(text) > _LICENSE_LIMIT:  # Python's own parser is asked, whose memory for very many brackets comes to an end
        return None
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None


# Type -> what it takes, and in words.
JUDGES: Mapping[ValueType, tuple[Callable[[str], bool], str]] = {
    ValueType.TEXT: (bool, "text"),
    ValueType.URL: (is_url, "an http or https URL"),
    ValueType.SEMVER: (lambda text: _SEMVER.fullmatch(text) is not None, "a semantic version, such as 1.2.3"),
    ValueType.HASH: (lambda text: _HASH.fullmatch(text) is not None, "a commit in lower-case hexadecimal digits"),
    ValueType.RFC3339: (is_time, "a time, such as 2024-01-31T12:00:00Z"),
    ValueType.SPDX: (is_license, "an SPDX license expression, such as Apache-2.0"),
    ValueType.EMAIL: (lambda text: _EMAIL.fullmatch(text) is not None, "an e-mail address"),
}
