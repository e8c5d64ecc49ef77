"""All registries of one command: opened once, closed once."""

from __future__ import annotations

import random
import threading
from types import TracebackType
from typing import Self

from ocibuild.errors import UsageError
from ocibuild.oci.reference import Reference
from ocibuild.registry.exchange import Transport
from ocibuild.registry.host import Host
from ocibuild.registry.repository import Repository
from ocibuild.registry.retry import Retrier, stoppable_sleep
from ocibuild.registry.settings import Settings
from ocibuild.registry.transport import HttpTransport, tls_context


class Registries:
    """Connections, tokens and what was learned about each registry. A context manager; safe to use from many threads.

        with Registries(Settings(emit=emit)) as registries:
            repository = registries.repository(parse_reference("ghcr.io/octocat/hello"))
            descriptor = repository.resolve("latest")

    UsageError for a certificate that cannot be read. `transport` replaces the network.
    """

    def __init__(self, settings: Settings | None = None, *, transport: Transport | None = None) -> None:
        self.settings = settings or Settings()
        self._transport = transport or _transport(self.settings)
        sleep = self.settings.sleep or stoppable_sleep(self.settings.stop)
        self._retrier = Retrier(self.settings.retries, sleep, random.random)
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}
        self._repositories: dict[str, Repository] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up all connections."""
        self._transport.close()

    def host(self, name: str) -> Host:
        """The registry with this name, the same one each time."""
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = Host(name, self.settings, self._transport, self._retrier)
            return self._hosts[name]

    def repository(self, reference: Reference) -> Repository:
        """The repository of a reference (its tag and digest do not matter), the same one each time."""
        host = self.host(reference.host)
        with self._lock:
            if reference.name not in self._repositories:
                self._repositories[reference.name] = Repository(host, reference)
            return self._repositories[reference.name]


def _transport(settings: Settings) -> Transport:
    try:
        tls = tls_context(settings.ca_file, settings.client_cert)
    except OSError as error:
        file = " or ".join(filter(None, (settings.ca_file, *(settings.client_cert or ()))))
        raise UsageError(
            f"the certificate cannot be used: {error.strerror or error}",
            where=file or None,
            hint="certificates and keys are PEM files",
        ) from error
    # One connection for each request that may run at once, in each lane, for the registry and the storage behind it.
    return HttpTransport(settings.timeouts, tls, connections=6 * settings.concurrency)
