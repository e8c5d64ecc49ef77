"""A scenario: contenders that are made ready together, and what their figures have to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.goals import Goal
from benchmarks.measuring import Contender


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a scenario may write, what ends with it, and whether it is to be over soon."""

    scratch: Path
    stack: ExitStack
    quick: bool

    def directory(self, name: str) -> Path:
        """A new directory that lives as long as the scenario."""
        made = self.scratch / name
        made.mkdir()
        return made


@dataclass(frozen=True, slots=True)
class Scenario:
    """`rounds` times as many rounds as the others."""

    name: str
    title: str
    contenders: Callable[[Setting], Sequence[Contender]]
    goals: Sequence[Goal] = ()
    rounds: float = 1
