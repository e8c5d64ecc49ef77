"""A short run of the crash driver, of what differs most. The long one: `make crash`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.programs import require_root
from tests.reliability.crash import Rounds, crash
from tests.reliability.mortal import Mortal
from tests.reliability.scenarios import SCENARIOS

SEED = 20260801


@pytest.mark.parametrize(("name", "kills"), [("build", 2), ("archive", 2), ("push", 1), ("serve", 1), ("full disk", 2)])
def test_nothing_is_lost_when_runs_are_killed(tmp_path: Path, mortal: Mortal, name: str, kills: int) -> None:
    if name == "full disk":
        require_root()
    assert crash({name: SCENARIOS[name]}, kills, Rounds(SEED, mortal, tmp_path))[name] == kills
