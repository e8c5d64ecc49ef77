"""Every file operation of a command fails once: the run says where, ends with 3, and harms nothing; or it could do without.

The long run (`make crash`) goes through all of them with each kind of fault; here a part of them, spread over the whole.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.faults import WAYS, trials
from tests.reliability.mortal import Mortal
from tests.reliability.projects import write_project

EVERY = 40


@pytest.mark.parametrize("way", WAYS)
def test_a_fault_is_named_and_harms_nothing(tmp_path: Path, mortal: Mortal, way: str) -> None:
    tried = list(trials(mortal, write_project(tmp_path / "project"), way, every=EVERY, shift=7 * len(way) % EVERY))
    assert tried
    assert [trial.complaint for trial in tried if trial.complaint] == []
