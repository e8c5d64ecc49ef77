"""Wherever images are: registries, layouts and archives behind the ports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from ocibuild.borrowing import BorrowingReader
from ocibuild.events import Emit, Event
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.location import Location, RegistryLocation
from ocibuild.oci.reference import Reference
from ocibuild.store.places import open_location

if TYPE_CHECKING:
    from ocibuild.registry.repository import Repository
    from ocibuild.registry.session import Registries
    from ocibuild.registry.settings import Settings


class Places:
    """Wherever images are: opens readers and sinks for locations. A context manager; connections are closed at its end.

    Progress goes to `emit`, by default that of `settings`. `clock` gives seconds, for warnings of what takes too long. A
    function that gives the settings is asked only where a registry is needed: builds mostly do without that code.
    """

    def __init__(
        self,
        settings: Settings | Callable[[], Settings] | None = None,
        emit: Emit | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given = settings
        self._listeners: tuple[Emit, ...] = (emit or self._settings().emit,)
        self._registries: Registries | None = None
        self._lock = Lock()
        self.clock = clock

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._registries is not None:
            self._registries.close()

    def emit(self, event: Event) -> None:
        """An `Emit`: tells all who listen."""
        for listener in self._listeners:
            listener(event)

    @contextmanager
    def heard_by(self, listener: Emit) -> Iterator[None]:
        """Until the context ends, `listener` hears all events, those of the registries' connections too."""
        before = self._listeners
        self._listeners = (*before, listener)
        try:
            yield
        finally:
            self._listeners = before

    def repository(self, reference: Reference) -> Repository:
        """The repository of a reference, to read from and to write to."""
        return self.registries.repository(reference)

    @property
    def registries(self) -> Registries:
        """All registries of this command. What needs none never pays for the network's code."""
        from ocibuild.registry.session import Registries

        with self._lock:
            if self._registries is None:
                self._registries = Registries(replace(self._settings(), emit=self.emit))
            return self._registries

    def _settings(self) -> Settings:
        from ocibuild.registry.settings import Settings

        return self._given() if callable(self._given) else self._given or Settings()

    def reader(self, location: Location) -> ImageReader:
        """The place to read from. A layout borrows blobs that it lacks from where they are."""
        if isinstance(location, RegistryLocation):
            return self.repository(location.reference)
        return BorrowingReader(open_location(location), self.repository)
