"""Registry profiles: data with a source, chosen by the host that is pushed to."""

from __future__ import annotations

from dataclasses import fields

import pytest

from ocibuild.checks.profiles import NO_LIMITS, PROFILES, Profile, profile_for, profile_named
from ocibuild.errors import UsageError


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("ghcr.io", "ghcr"),
        ("docker.io", "dockerhub"),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", "ecr"),
        ("public.ecr.aws", "ecr-public"),
        ("europe-docker.pkg.dev", "gar"),
        ("octocat.azurecr.io", "acr"),
        ("quay.io", "quay"),
        ("registry.gitlab.com", "gitlab"),
        ("localhost:5000", "generic"),
        ("ghcr.io.example.org", "generic"),
        ("azurecr.io", "generic"),
        ("a.b.azurecr.io", "generic"),
        ("quay.io:443\n", "generic"),
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
    names = "ghcr, dockerhub, ecr, ecr-public, gar, acr, quay, gitlab, harbor, lambda, generic"
    assert caught.value.hint == f"profiles are: {names}"


def test_every_limit_says_where_it_is_from_and_when() -> None:
    assert len({profile.name for profile in PROFILES}) == len(PROFILES)
    neutral = Profile("neutral", (), layers=None)
    for profile in PROFILES:
        limits = {field.name for field in fields(profile)} - set(NO_LIMITS)
        own = {name for name in limits if getattr(profile, name) != getattr(neutral, name)} | {"manifest_size"}
        sources = dict(profile.sources)
        assert set(sources) == own, profile.name
        assert all("(202" in source for source in sources.values())
