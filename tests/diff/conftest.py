"""Fixtures: a directory to build in, and the command line inside the test process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, cli, nothing_of_the_tester
from tests.recipes.conftest import desk, new_desk

__all__ = ["Cli", "cli", "desk", "new_desk", "nothing_of_the_tester"]


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands run where the desk builds."""
    monkeypatch.chdir(tmp_path)
