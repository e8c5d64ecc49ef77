"""Uploads that will not end in time: noticed while they run, by the rate at which they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from ocibuild.checks.profiles import Profile
from ocibuild.events import Advanced, Emit, Event, Finished, Noted, Stage, Started

_WATCH_FOR = 5.0  # seconds before a rate means something


@dataclass(slots=True)
class _Watched:
    subject: str
    total: int
    since: float
    sent: int = 0


class UploadPace:
    """Listens to events, and warns once, through `emit`, of a blob that the registry would cut off.

    GHCR ends an upload after ten minutes, with an error that does not say why. `clock` gives seconds.
    """

    def __init__(self, emit: Emit, profile: Profile, clock: Callable[[], float]) -> None:
        self._emit = emit
        self._profile = profile
        self._clock = clock
        self._watched: dict[str, _Watched] = {}
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        limit = self._profile.upload_seconds
        if limit is None:
            return
        with self._lock:
            warning = self._observe(event, limit)
        if warning:
            self._emit(Noted(warning, warning=True))

    def _observe(self, event: Event, limit: int) -> str | None:
        match event:
            case Started(stage=Stage.SEND, total=int() as total):
                self._watched[event.task] = _Watched(event.subject, total, self._clock())
            case Advanced() if event.task in self._watched:
                blob = self._watched[event.task]
                blob.sent += event.amount
                if warning := self._judge(blob, limit):
                    del self._watched[event.task]
                    return warning
            case Finished():
                self._watched.pop(event.task, None)
            case _:
                pass
        return None

    def _judge(self, blob: _Watched, limit: int) -> str | None:
        elapsed = self._clock() - blob.since
        if elapsed < _WATCH_FOR or blob.sent <= 0:
            return None
        needed = blob.total * elapsed / blob.sent
        if needed <= limit:
            return None
        rate = blob.sent / elapsed / 1e6
        return (
            f"{blob.subject} ({blob.total / 1e6:,.0f} MB) will take about {needed / 60:.0f} minutes at {rate:.1f} MB/s, and "
            f"{self._profile.name} ends an upload after {limit / 60:.0f}: split its files over several layers"
        )
