"""Fixtures: a served layout of each test's own, and a client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ocibuild import api
from ocibuild.server.service import Server
from tests.server.support import Client

Serve = Callable[..., Server]
NewClient = Callable[..., Client]


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Where `serve` and `client` keep what is pushed."""
    return tmp_path / "layout"


@pytest.fixture
def serve(layout: Path) -> Iterator[Serve]:
    """Serves the layout until the test ends; keyword arguments are those of `api.serve`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(api.serve(layout, **{"port": 0, **options}))


@pytest.fixture
def new_client(serve: Serve) -> Iterator[NewClient]:
    """Opens clients; keyword arguments are those of `api.serve` for the first, which starts the server."""
    with ExitStack() as stack:
        servers: list[Server] = []

        def new(**options: Any) -> Client:
            if not servers:
                servers.append(serve(**options))
            return stack.enter_context(Client(servers[0]))

        yield new


@pytest.fixture
def client(new_client: NewClient) -> Client:
    """A client of a server that nobody else uses."""
    return new_client()
