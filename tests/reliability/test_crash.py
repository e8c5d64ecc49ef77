"""A short run of the crash driver. The long one: `make crash`."""

from __future__ import annotations

from pathlib import Path

from tests.peers.programs import require_root
from tests.reliability.crash import crash

SEED = 20260801
KILLS = 2


def test_nothing_is_lost_when_runs_are_killed(tmp_path: Path) -> None:
    names = ["build", "archive", "push", "pull", "serve"]
    happened = crash(names, KILLS, SEED, tmp_path)
    assert {name: happened[name] for name in names} == dict.fromkeys(names, KILLS)


def test_nothing_is_lost_on_a_disk_that_is_full(tmp_path: Path) -> None:
    require_root()
    assert crash(["full disk"], KILLS, SEED, tmp_path)["full disk"] == KILLS
