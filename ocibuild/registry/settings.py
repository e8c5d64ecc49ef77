"""How the registries of one command are spoken to. Needs neither httpx nor a network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ocibuild.events import Emit, silent
from ocibuild.registry.credentials import FindCredential, find_credential
from ocibuild.registry.exchange import Timeouts
from ocibuild.registry.origin import Resolve, resolve_by_system
from ocibuild.registry.retry import RetryPolicy

MIB = 1024 * 1024
Trace = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may decide, and what a test replaces.

    `plain_http` are hosts (with their ports) that are spoken to without TLS; hosts of this machine may always be.
    `trace` gets a line for every exchange, without secrets. `sleep` waits between attempts; None waits for real, and ends
    early when the session is stopped.
    """

    plain_http: frozenset[str] = frozenset()
    ca_file: str | None = None
    client_cert: tuple[str, str | None] | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: int = 4
    chunk_size: int = 4 * MIB
    credentials: FindCredential = find_credential
    emit: Emit = silent
    trace: Trace | None = None
    sleep: Callable[[float], None] | None = None
    resolve: Resolve = resolve_by_system
    stop: threading.Event = field(default_factory=threading.Event)
