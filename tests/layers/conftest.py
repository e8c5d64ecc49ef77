"""Examples of hypothesis have no deadline here: the machine may be shared, and none of these tests is about time."""

from __future__ import annotations

import pytest
from hypothesis import settings

from ocibuild.layers import disk

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(params=["compiled", "not compiled"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the compiled code for many files at once, and without it."""
    if request.param == "not compiled":
        monkeypatch.setattr(disk, "_compiled", None)
    elif disk._compiled is None:
        pytest.skip("ocibuild/layers/_disk.c was not compiled here")
