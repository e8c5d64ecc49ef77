"""What a registry accepts, as data with source and date. The profile follows from the host that is pushed to."""

from __future__ import annotations

from dataclasses import dataclass

from ocibuild.errors import UsageError
from ocibuild.oci.codec import MANIFEST_LIMIT

_GHCR_PAGE = "GitHub documentation, Working with the Container registry (2026-09)"


@dataclass(frozen=True, slots=True)
class Profile:
    """The limits of a registry. Sizes are in bytes, lengths in characters; `upload_seconds` is how long one upload may run."""

    name: str
    source: str
    hosts: tuple[str, ...] = ()
    layer_size: int | None = 10**10
    description_length: int | None = 512
    licenses_length: int | None = 256
    manifest_size: int = MANIFEST_LIMIT
    upload_seconds: int | None = None


# "10 GB" is not defined further by GitHub; 10^10 is the safe reading. The generic profile keeps GHCR's limits: an image that
# passes can be pushed anywhere.
PROFILES = (
    Profile("ghcr", _GHCR_PAGE, hosts=("ghcr.io",), upload_seconds=600),
    Profile("generic", f"the limits of GHCR, as the strictest in wide use: {_GHCR_PAGE}"),
)


def profile_for(host: str) -> Profile:
    """The profile of a registry host; `generic` for one that is not known by name."""
    return next((profile for profile in PROFILES if host in profile.hosts), profile_named("generic"))


def profile_named(name: str) -> Profile:
    """The profile of this name. UsageError, listing those there are, for an unknown one."""
    for profile in PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(profile.name for profile in PROFILES)
    raise UsageError(f"there is no registry profile {name!r}", hint=f"profiles are: {known}")
