"""Pytest fixtures: add `pytest_plugins = ["tests.fake_registry.fixtures"]` to the top conftest."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from tests.peers.certificates import make_authority, make_server_certificate

from .recorder import Recorder
from .registry import FakeRegistry
from .server import HttpServer

Server = TypeVar("Server", bound=HttpServer)


class Run(Protocol):
    """Starts a server that is closed after the test."""

    def __call__(self, server: Server, /) -> Server: ...


@pytest.fixture
def fake_registry() -> Iterator[FakeRegistry]:
    """A strict registry over plain http, without authorization."""
    with FakeRegistry() as registry:
        yield registry


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A bystander that should be left alone."""
    with Recorder() as server:
        yield server


@pytest.fixture
def running() -> Iterator[Run]:
    """Starts any server and closes it after the test: `other = running(FakeRegistry(host="127.0.0.2"))`."""
    with ExitStack() as stack:

        def run(server: Server) -> Server:
            stack.enter_context(server)
            return server

        yield run


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS for servers on 127.0.0.1 and localhost, and the authority that clients must trust."""

    server: ssl.SSLContext
    authority: Path

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))


@pytest.fixture(scope="session")
def fake_tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Made by openssl: `running(FakeRegistry(tls=fake_tls.server))`."""
    directory = tmp_path_factory.mktemp("fake-tls")
    authority = make_authority(directory)
    certificate = make_server_certificate(authority, directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    return Tls(context, authority.file)
