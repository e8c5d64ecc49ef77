"""JSON as the OCI documents use it (image-spec considerations.md): our own are canonical, foreign ones are read strictly.

A digest is of bytes, so the bytes of a document that was read are always kept, and copied as they are.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ocibuild.errors import IntegrityError

# distribution-spec: both sides support manifests of 4 MB; every registry we know refuses more than 4 MiB.
MANIFEST_LIMIT = 4 * 1024 * 1024
CONFIG_LIMIT = 8 * 1024 * 1024
_DEPTH_LIMIT = 64


def encode(document: Any) -> bytes:
    """`document` as canonical JSON: sorted keys, no white space, UTF-8, no NaN. The same value gives the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def decode_object(raw: bytes, *, subject: str, limit: int = MANIFEST_LIMIT) -> dict[str, Any]:
    """The JSON object that `raw` holds. IntegrityError (naming `subject`) for anything else that arrives from outside.

    Refused: more than `limit` bytes, no UTF-8, duplicate names (two readers would see two documents), NaN, nesting
    beyond 64 levels.
    """
    if len(raw) > limit:
        raise IntegrityError(f"{subject} has {len(raw)} bytes; at most {limit} are accepted")
    try:
        document = json.loads(
            raw.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_parse_int
        )
        _check_depth(document, _DEPTH_LIMIT)
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
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} occurs twice")
    return document


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _parse_int(text: str) -> int:
    if len(text) > 20:  # an int64 has 19 digits; int() of a million digits would take seconds
        raise ValueError("a number is too large")
    return int(text)


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError(f"nested more than {_DEPTH_LIMIT} levels deep")
    if isinstance(value, dict):
        for child in value.values():
            _check_depth(child, left - 1)
    elif isinstance(value, list):
        for child in value:
            _check_depth(child, left - 1)
