"""constraints.txt names one version of each package that an installation of the action consists of."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement

from tests.cli.program import ROOT

LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def test_all_that_ocibuild_needs_has_a_version_that_it_takes() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line)] == []
    versions = dict(line.split("==") for line in LINES)
    assert sorted(versions) == list(versions)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(text) for text in project["dependencies"]]
    assert len(needed) > 5
    assert [str(one) for one in needed if not one.specifier.contains(versions.get(one.name, "0"))] == []


def test_the_action_keeps_to_them() -> None:
    assert '--constraint "$GITHUB_ACTION_PATH/constraints.txt"' in (ROOT / "action.yml").read_text()
