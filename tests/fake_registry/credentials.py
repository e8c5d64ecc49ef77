"""Authorization fields, read."""

from __future__ import annotations

import base64
import binascii

from .messages import Request


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """User and password of an Authorization field of the Basic scheme."""
    scheme, _, value = (request.headers.get("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def bearer_token(request: Request) -> str | None:
    scheme, _, value = (request.headers.get("Authorization") or "").partition(" ")
    return value if scheme.lower() == "bearer" else None
