"""JSON as the OCI documents use it (image-spec considerations.md): our own are canonical, foreign ones are read strictly.

A digest is of bytes, so the bytes of a document that was read are always kept, and copied as they are.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, NoReturn

from ocibuild.errors import IntegrityError, UsageError, quoted

# distribution-spec: both sides support manifests of 4 MB; every registry we know refuses more than 4 MiB.
MANIFEST_LIMIT = 4 * 1024 * 1024
CONFIG_LIMIT = 8 * 1024 * 1024
_DEPTH_LIMIT = 64


def encode(document: Any) -> bytes:
    """`document` as canonical JSON: sorted keys, no white space, UTF-8, no NaN. The same value gives the same bytes.

    UsageError for text that is no Unicode: Python stands lone surrogates in for the bytes of a file name or an
    environment variable that are not UTF-8.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 40) : error.end + 40]
        raise UsageError(
            f"a document cannot hold text that is not UTF-8: {quoted(around)}",
            hint="write the name or value in UTF-8",
        ) from error


def decode_object(raw: bytes, *, subject: str, limit: int = MANIFEST_LIMIT) -> dict[str, Any]:
    """The JSON object that `raw` holds. IntegrityError (naming `subject`) for anything else that arrives from outside.

    Refused: more than `limit` bytes, no UTF-8, duplicate names (two readers would see two documents), NaN, numbers beyond
    double precision, lone surrogates (I-JSON, RFC 7493), nesting beyond 64 levels.
    """
    if len(raw) > limit:
        raise IntegrityError(f"{subject} has {len(raw)} bytes; at most {limit} are accepted")
    try:
        document = json.loads(
            raw.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_parse_int,
            parse_float=_parse_float,
        )
        _check_values(document, _DEPTH_LIMIT)
    except RecursionError as error:
        raise IntegrityError(f"{subject} is nested too deeply") from error
    except ValueError as error:
        raise IntegrityError(f"{subject} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise IntegrityError(f"{subject} is not a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the name {quoted(twice)} occurs twice")
    return document


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _parse_int(text: str) -> int:
    if len(text) > 20:  # an int64 has 19 digits; int() of a million digits would take seconds
        raise ValueError("a number is too large")
    return int(text)


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # Python reads 1e999 as infinity, which is no JSON when it is written again
        raise ValueError("a number is too large")
    return number


def _check_values(value: Any, left: int) -> None:
    if isinstance(value, str):
        value.encode()  # a lone surrogate, which JSON can spell and UTF-8 cannot, is a ValueError
    elif isinstance(value, dict | list):
        if left == 0:
            raise ValueError(f"nested more than {_DEPTH_LIMIT} levels deep")
        for child in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_values(child, left - 1)
