"""Fixtures: the real programs (`tests/peers`) and the real inputs (`tests/corpora`) that tests run on."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from tests.corpora import packages, root_file_systems
from tests.peers import servers
from tests.peers.clients import Podman
from tests.peers.docker_registry import DockerRegistry, htpasswd_registry, plain_registry, token_registry
from tests.peers.programs import require, require_root
from tests.peers.tls_proxy import TlsRegistry, tls_proxy

Server = TypeVar("Server")

pytest_plugins = ["tests.fake_registry.fixtures", "tests.docs.fixtures"]

LARGE_INPUTS = {"python_packages", "javascript_packages", "debian_root"}


def pytest_configure() -> None:
    # A shell starts background jobs with SIGINT ignored, and children inherit that: the tests of Ctrl-C would wait in vain.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and LARGE_INPUTS & set(item.fixturenames):
        item.add_marker("corpus")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peer"):
        for name in marker.args:
            require(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Shows the end of the logs of the servers that ran while a test failed."""
    report = yield
    if report.failed:  # type: ignore[attr-defined]
        report.sections.extend((f"log of {name}", text) for name, text in servers.logs_of_running())  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A plain docker-registry for the whole run: tests keep out of each other's way by repository names."""
    with plain_registry(tmp_path_factory.mktemp("docker-registry")) as registry:
        yield registry


@pytest.fixture(scope="session")
def tls_registry(docker_registry: DockerRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRegistry]:
    """The same docker-registry through nginx: TLS under an authority of our own, and Basic auth."""
    with tls_proxy(tmp_path_factory.mktemp("nginx"), docker_registry) as registry:
        yield registry


class StartRegistry:
    """Starts registries that live until the test ends."""

    def __init__(self, stack: ExitStack, new_directory: Callable[[], Path]) -> None:
        self._stack = stack
        self._new_directory = new_directory

    def plain(self) -> DockerRegistry:
        """An empty one that nobody else uses."""
        return self._enter(plain_registry(self._new_directory()))

    def htpasswd(self) -> DockerRegistry:
        """One with HTTP Basic auth."""
        return self._enter(htpasswd_registry(self._new_directory()))

    def token(self, *, lifetime: int = 300, anonymous_pull: bool = False) -> DockerRegistry:
        """One behind a token server (`.tokens`), whose tokens end after `lifetime` seconds."""
        return self._enter(token_registry(self._new_directory(), lifetime=lifetime, anonymous_pull=anonymous_pull))

    def _enter(self, server: AbstractContextManager[Server]) -> Server:
        return self._stack.enter_context(server)


@pytest.fixture
def start_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRegistry]:
    """Starts further registries for one test: `.plain()`, `.htpasswd()`, `.token(lifetime=..., anonymous_pull=...)`."""
    with ExitStack() as stack:
        yield StartRegistry(stack, lambda: tmp_path_factory.mktemp("registry"))


@pytest.fixture
def podman() -> Iterator[Podman]:
    """podman with an empty storage of its own, removed after the test."""
    require("podman")
    require_root()
    # Not among pytest's directories: podman refuses a run directory whose path is longer than 50 characters.
    with tempfile.TemporaryDirectory(prefix="podman-") as directory:
        client = Podman(Path(directory))
        yield client
        client.discard()


@pytest.fixture(scope="session")
def python_packages() -> Path:
    """numpy, scipy, pandas and django as pip installs them. Not to be written to."""
    return packages.python_packages()


@pytest.fixture(scope="session")
def javascript_packages() -> Path:
    """A directory with a `node_modules` of more than 50,000 files. Not to be written to."""
    return packages.javascript_packages()


@pytest.fixture(scope="session")
def busybox_root() -> Path:
    """A small root file system: links, a setuid file, a file capability. Not to be written to."""
    return root_file_systems.busybox_root()


@pytest.fixture(scope="session")
def debian_root() -> Path:
    """A Debian root file system made by debootstrap. Not to be written to."""
    return root_file_systems.debian_root()
