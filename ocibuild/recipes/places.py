"""Wherever images are: registries, layouts and archives behind the ports."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from ocibuild.borrowing import BorrowingReader
from ocibuild.events import Emit, silent
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.location import Location, RegistryLocation
from ocibuild.oci.reference import Reference
from ocibuild.registry.settings import Settings
from ocibuild.store.places import open_location

if TYPE_CHECKING:
    from ocibuild.registry.repository import Repository
    from ocibuild.registry.session import Registries


class Places:
    """Wherever images are: opens readers and sinks for locations. A context manager; connections are closed at its end."""

    def __init__(self, settings: Settings | None = None, emit: Emit = silent) -> None:
        self._settings = settings or Settings(emit=emit)
        self._registries: Registries | None = None
        self._lock = Lock()
        self.emit = emit

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._registries is not None:
            self._registries.close()

    def repository(self, reference: Reference) -> Repository:
        """The repository of a reference, to read from and to write to."""
        return self.registries.repository(reference)

    @property
    def registries(self) -> Registries:
        """All registries of this command. What needs none never pays for the network's code."""
        from ocibuild.registry.session import Registries

        with self._lock:
            if self._registries is None:
                self._registries = Registries(self._settings)
            return self._registries

    def reader(self, location: Location) -> ImageReader:
        """The place to read from. A layout borrows blobs that it lacks from where they are."""
        if isinstance(location, RegistryLocation):
            return self.repository(location.reference)
        return BorrowingReader(open_location(location), self.repository)
