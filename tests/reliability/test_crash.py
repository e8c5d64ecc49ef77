"""A short run of the crash driver. The long one: `make crash`."""

from __future__ import annotations

from pathlib import Path

from tests.peers.programs import require_root
from tests.reliability.crash import crash
from tests.reliability.scenarios import SCENARIOS

SEED = 20260801


def test_nothing_is_lost_when_runs_are_killed(tmp_path: Path) -> None:
    scenarios = {name: each for name, each in SCENARIOS.items() if name != "full disk"}
    happened = crash(scenarios, 1, SEED, tmp_path)
    assert all(happened[name] for name in scenarios)


def test_nothing_is_lost_on_a_disk_that_is_full(tmp_path: Path) -> None:
    require_root()
    assert crash({"full disk": SCENARIOS["full disk"]}, 1, SEED, tmp_path)["full disk"]
