"""Progress on stderr: bars on a terminal, plain lines in CI, JSON lines for programs, or nothing."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from ocibuild.cli.messages import printable, say
from ocibuild.cli.sizes import human_size
from ocibuild.cli.terminal import can_redraw, paint
from ocibuild.events import Advanced, Emit, Event, Finished, Noted, Stage, Started

_VERBS = {
    Stage.BUILD: "layer",
    Stage.FETCH: "fetch",
    Stage.SEND: "blob",
    Stage.MANIFEST: "manifest",
    Stage.TAG: "tag",
}


@contextmanager
def progress(mode: str, *, quiet: bool = False) -> Iterator[Emit]:
    """An `Emit` that shows events in this mode (`auto` draws bars on a terminal, else plain lines) until the context ends."""
    if quiet or mode == "quiet":
        yield _warnings_only
    elif mode == "json":
        yield _json_line
    elif mode == "auto" and can_redraw():
        with _bars() as emit:
            yield emit
    else:
        yield _PlainLines(say)


def _warnings_only(event: Event) -> None:
    if isinstance(event, Noted) and event.warning:
        _show_note(event, say)


def _json_line(event: Event) -> None:
    if isinstance(event, Advanced):
        return  # thousands of them; the total comes with the end
    say(json.dumps({"event": type(event).__name__.lower(), **asdict(event)}, sort_keys=True))


def _show_note(note: Noted, show: Callable[[str], None]) -> None:
    label = paint("warning:", "yellow", bold=True) if note.warning else paint("note:", "blue")
    show(f"{label} {printable(note.message)}")


class _PlainLines:
    """One line for each task that has ended. Called from several threads."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._begun: dict[str, tuple[Started, float]] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            match event:
                case Noted():
                    _show_note(event, self._show)
                case Started():
                    self._begun[event.task] = event, time.monotonic()
                case Finished():
                    self._finish(event)
                case Advanced():
                    pass

    def _finish(self, event: Finished) -> None:
        begun = self._begun.pop(event.task, None)
        if begun is None:
            return
        started, since = begun
        parts = [f"{_VERBS[started.stage]:<8} {printable(started.subject):<24} {event.outcome}"]
        if event.size is not None and started.stage is not Stage.TAG:
            parts.append(human_size(event.size))
        seconds = time.monotonic() - since
        if seconds >= 0.1:
            parts.append(f"{seconds:.1f}s")
        self._show("  ".join(parts))


@contextmanager
def _bars() -> Iterator[Emit]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as drawing:
        lines = _PlainLines(lambda text: console.print(text, markup=False, highlight=False))
        tasks = {}

        def emit(event: Event) -> None:
            match event:
                case Started(total=int() as total):
                    description = f"{_VERBS[event.stage]} {printable(event.subject)}"
                    tasks[event.task] = drawing.add_task(description, total=total)
                case Advanced() if event.task in tasks:
                    drawing.advance(tasks[event.task], event.amount)
                case Finished() if event.task in tasks:
                    drawing.remove_task(tasks.pop(event.task))
                case _:
                    pass
            lines(event)

        yield emit
