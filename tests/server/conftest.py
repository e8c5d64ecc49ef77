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
def new_client(serve: Serve) -> Iterator[Callable[..., Client]]:
    """Opens clients of one server."""
    with ExitStack() as stack:
        servers: list[Server] = []

        def new(**options: Any) -> Client:
            if not servers:
                servers.append(serve())
            client = Client(servers[0], **options)
            stack.callback(client.close)
            return client

        yield new


@pytest.fixture
def client(new_client: Callable[..., Client]) -> Client:
    """A client of a server that nobody else uses."""
    return new_client()
