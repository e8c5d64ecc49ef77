"""Fixtures: places, and the command line inside the test process, with nobody's credentials."""

from tests.diff.conftest import Cli, cli, desk, new_desk, nothing_of_the_tester, own_directory

__all__ = ["Cli", "cli", "desk", "new_desk", "nothing_of_the_tester", "own_directory"]
