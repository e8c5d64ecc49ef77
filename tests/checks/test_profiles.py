"""Registry profiles: data with a source, chosen by the host that is pushed to."""

from __future__ import annotations

import pytest

from ocibuild.checks.profiles import PROFILES, profile_for, profile_named
from ocibuild.errors import UsageError


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("ghcr.io", "ghcr"),
        ("docker.io", "generic"),
        ("localhost:5000", "generic"),
        ("ghcr.io.example.org", "generic"),
    ],
)
def test_the_host_decides(host: str, name: str) -> None:
    assert profile_for(host).name == name


def test_the_limits_of_ghcr() -> None:
    ghcr = profile_named("ghcr")
    assert (ghcr.layer_size, ghcr.description_length, ghcr.licenses_length) == (10**10, 512, 256)
    assert ghcr.upload_seconds == 600
    assert ghcr.manifest_size == 4 * 1024 * 1024


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no registry profile 'ghrc'") as caught:
        profile_named("ghrc")
    assert caught.value.hint == "profiles are: ghcr, generic"


def test_every_profile_says_where_its_limits_are_from_and_when() -> None:
    assert len({profile.name for profile in PROFILES}) == len(PROFILES)
    for profile in PROFILES:
        assert "20" in profile.source, profile
