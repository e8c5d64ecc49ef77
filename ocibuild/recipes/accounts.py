"""Credentials for registries, and what they open there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocibuild.oci.reference import Reference
from ocibuild.recipes.places import Places
from ocibuild.registry.credentials import erase_credential, store_credential
from ocibuild.registry.secret import Login, Secret
from ocibuild.registry.settings import Settings

if TYPE_CHECKING:
    from ocibuild.registry.probes import Probe


def login(registry: str, username: str, secret: str, settings: Settings) -> str:
    """Try a user name and a password or token at a registry, then keep them; where, in words. AuthError keeps nothing."""
    from ocibuild.registry.login import parse_registry, verify_login

    host, credential = parse_registry(registry), Login(username, Secret(secret))
    verify_login(host, credential, settings)
    return store_credential(host, credential)


def logout(registry: str) -> str | None:
    """Forget what `login` kept for a registry; from where, in words, or None if there was nothing."""
    from ocibuild.registry.login import parse_registry

    return erase_credential(parse_registry(registry))


def examine(reference: Reference, places: Places) -> tuple[Probe, ...]:
    """What the registry of a reference grants us and supports, found out by trying."""
    from ocibuild.registry.probes import examine as probe_all

    return probe_all(places.registries, reference)
