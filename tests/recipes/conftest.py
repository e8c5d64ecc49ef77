"""Fixtures: desks to build and push at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.recipes.support import Desk, open_desk

OpenDesk = Callable[..., Desk]


@pytest.fixture
def new_desk(tmp_path: Path) -> Iterator[OpenDesk]:
    """Opens desks in one directory; keyword arguments are `clock` and fields of Settings."""
    with ExitStack() as stack:

        def new(**settings: Any) -> Desk:
            desk = open_desk(tmp_path, **settings)
            stack.enter_context(desk.places)
            return desk

        yield new


@pytest.fixture
def desk(new_desk: OpenDesk) -> Desk:
    """An anonymous one."""
    return new_desk()
