"""Every file operation of a build fails once: the run says where, ends with 3, and harms nothing; or it could do without.

The long run (`make crash`) goes through all of them with four kinds of faults; here a part of them, spread over the whole.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.faults import OUTPUTS, trials
from tests.reliability.mortal import Mortal
from tests.reliability.projects import write_project


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_fault_is_named_and_harms_nothing(tmp_path: Path, mortal: Mortal, output: str) -> None:
    project = write_project(tmp_path / "project")
    for trial in trials(mortal, project, output, every=25, shift=len(output)):
        assert trial.complaint() is None
