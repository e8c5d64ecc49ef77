"""Progress on stderr: bars on a terminal, plain lines in CI, JSON lines for programs, or nothing."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from ocibuild.cli.messages import printable, say
from ocibuild.cli.terminal import can_redraw, in_github, paint
from ocibuild.events import Advanced, Emit, Event, Finished, Noted, Stage, Started
from ocibuild.sizes import human_size

HEARTBEAT = 10.0  # seconds between two lines about one task: CI systems give up jobs that say nothing
_VERBS = {
    Stage.BUILD: "layer",
    Stage.FETCH: "fetch",
    Stage.SEND: "blob",
    Stage.MANIFEST: "manifest",
    Stage.TAG: "tag",
}


@contextmanager
def progress(mode: str, *, quiet: bool = False) -> Iterator[Emit]:
    """An `Emit` that shows events in this mode (`auto` draws bars on a terminal, else plain lines) until the context ends.

    On GitHub, `auto` folds the lines into one group, and a warning is an annotation, which the page of the run shows.
    """
    if quiet or mode == "quiet":
        yield _warnings_only
    elif mode == "json":
        yield _json_line
    elif mode == "auto" and can_redraw():
        with _bars() as emit:
            yield emit
    elif mode == "auto" and in_github():
        with _group("Layers, blobs and manifests"):
            yield PlainLines(say)
    else:
        yield PlainLines(say)


@contextmanager
def _group(title: str) -> Iterator[None]:
    say(f"::group::{title}")
    try:
        yield
    finally:
        say("::endgroup::")  # an error that comes next is to be seen


def _warnings_only(event: Event) -> None:
    if isinstance(event, Noted) and event.warning:
        say(_note(event))


def _json_line(event: Event) -> None:
    if isinstance(event, Advanced):
        return  # thousands of them; the total comes with the end
    say(json.dumps({"event": type(event).__name__.lower(), **asdict(event)}, sort_keys=True))


def _note(note: Noted) -> str:
    if note.warning and in_github():
        from ocibuild.cli.formats.github import escaped

        return f"::warning title=ocibuild::{escaped(printable(note.message))}"
    label = paint("warning:", "yellow", bold=True) if note.warning else paint("note:", "blue")
    return f"{label} {printable(note.message)}"


@dataclass(slots=True)
class _Task:
    """A task that is under way: when it began, when a line last told of it, and the bytes done so far."""

    started: Started
    began: float
    told: float
    done: int = 0


class PlainLines:
    """One line for each task that has ended, and a sign of life from those that take long. Called from several threads."""

    def __init__(
        self, show: Callable[[str], None], *, heartbeat: float = HEARTBEAT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._show = show
        self._heartbeat = heartbeat
        self._clock = clock
        self._tasks: dict[str, _Task] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            match event:
                case Noted():
                    self._show(_note(event))
                case Started():
                    self._tasks[event.task] = _Task(event, now := self._clock(), now)
                case Advanced() if event.task in self._tasks:
                    self._advance(self._tasks[event.task], event.amount)
                case Finished() if event.task in self._tasks:
                    self._finish(self._tasks.pop(event.task), event)
                case _:
                    pass

    def _advance(self, task: _Task, amount: int) -> None:
        task.done += amount
        now = self._clock()
        if now - task.told < self._heartbeat:
            return
        task.told = now
        total = f" of {human_size(task.started.total)}" if task.started.total else ""
        self._show(f"{_title(task.started)} {human_size(task.done)}{total}  {now - task.began:.0f}s")

    def _finish(self, task: _Task, event: Finished) -> None:
        parts = [f"{_title(task.started)} {event.outcome}"]
        if event.size is not None and task.started.stage is not Stage.TAG:
            parts.append(human_size(event.size))
        seconds = self._clock() - task.began
        if seconds >= 0.1:
            parts.append(f"{seconds:.1f}s")
        self._show("  ".join(parts))


def _title(started: Started) -> str:
    return f"{_VERBS[started.stage]:<8} {printable(started.subject):<24}"


@contextmanager
def _bars() -> Iterator[Emit]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
    from rich.table import Column
    from rich.text import Text

    console = Console(file=sys.stderr)
    # Together at most 80 columns wide: a line that wraps cannot be drawn over cleanly.
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=26)),
        BarColumn(bar_width=16),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TransferSpeedColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as drawing:
        lines = PlainLines(lambda text: console.print(Text.from_ansi(text), soft_wrap=True), heartbeat=float("inf"))
        tasks = {}

        def emit(event: Event) -> None:
            match event:
                case Started():
                    tasks[event.task] = drawing.add_task(_title(event).rstrip(), total=event.total)
                case Advanced() if event.task in tasks:
                    drawing.advance(tasks[event.task], event.amount)
                case Finished() if event.task in tasks:
                    drawing.remove_task(tasks.pop(event.task))
                case _:
                    pass
            lines(event)

        yield emit
