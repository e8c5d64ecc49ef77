"""Fixtures: sessions that are closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.registry.support import Session, open_session

OpenSession = Callable[..., Session]


@pytest.fixture
def new_session() -> Iterator[OpenSession]:
    """Opens sessions; keyword arguments are fields of Settings."""
    with ExitStack() as stack:

        def new(**settings: Any) -> Session:
            session = open_session(**settings)
            stack.enter_context(session.registries)
            return session

        yield new


@pytest.fixture
def session(new_session: OpenSession) -> Session:
    """An anonymous session."""
    return new_session()
