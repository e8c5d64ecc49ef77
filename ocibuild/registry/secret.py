"""What opens a registry, in a shape that no message, traceback or log shows."""

from __future__ import annotations

import base64
from dataclasses import dataclass


class Secret:
    """A text that only `reveal` gives away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password (or a token that is used like one)."""

    username: str
    password: Secret

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password.reveal()}".encode()).decode()


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """An OAuth2 refresh token, exchanged for access tokens at the registry's token server."""

    token: Secret


@dataclass(frozen=True, slots=True)
class RegistryToken:
    """A Bearer token for the registry itself."""

    token: Secret


Credential = Login | IdentityToken | RegistryToken


@dataclass(frozen=True, slots=True)
class Found:
    """The credential for a reference (None: anonymous), and in words where it came from. `warning` is for its owner."""

    credential: Credential | None
    source: str
    warning: str | None = None
