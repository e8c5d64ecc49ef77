"""The pages on registries name every profile, and every message of GitHub that ocibuild has advice on."""

from __future__ import annotations

import pytest

from ocibuild import api
from ocibuild.registry.explain import ADVICE
from tests.cli.program import ROOT

REGISTRIES = (ROOT / "docs/registries.md").read_text("utf-8")
GITHUB = (ROOT / "docs/ghcr.md").read_text("utf-8").partition("## Troubleshooting")[2].lower()


@pytest.mark.parametrize("profile", api.PROFILES, ids=lambda profile: profile.name)
def test_a_profile_is_named(profile: api.Profile) -> None:
    assert f"`{profile.name}`" in REGISTRIES


@pytest.mark.parametrize("text", [text for advice in ADVICE for text in advice.texts if " " in text])
def test_a_message_of_github_is_explained(text: str) -> None:
    assert text in GITHUB
