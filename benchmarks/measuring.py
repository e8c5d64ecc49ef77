"""Contenders run in turn (A B C, A B C ...), each as whole processes in a fresh directory; what they took."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

STOPWATCH = Path(__file__).with_name("stopwatch.py")
OWN_SECONDS = "seconds"  # the file to which a contender with `has_own_clock` writes
TIMEOUT = 900.0

Command = Sequence[str | Path]


class ContenderError(Exception):
    """A contender failed; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One program at one task.

    `prepare` gets an empty directory that becomes the working directory, and gives the command; it is not timed, and neither is
    `output`, which gives the bytes that were made. A slow one runs in the first `rounds` rounds only.
    """

    name: str
    prepare: Callable[[Path], Command]
    output: Callable[[Path], int | None] = lambda _directory: None
    rounds: int | None = None
    has_own_clock: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took: wall and CPU seconds, the peak memory of its largest process, and the size of what it made."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output_bytes: int | None


@dataclass(frozen=True, slots=True)
class Result:
    """All runs of one contender."""

    name: str
    runs: tuple[Run, ...]

    @property
    def median(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def fastest(self) -> float:
        return min(run.seconds for run in self.runs)

    @property
    def slowest(self) -> float:
        return max(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        return max(run.peak_bytes for run in self.runs)

    @property
    def output_bytes(self) -> int | None:
        return self.runs[-1].output_bytes


def before_each(contenders: Iterable[Contender], action: Callable[[], None]) -> list[Contender]:
    """The contenders, with `action` as the last of the preparations of every run."""

    def prepared(contender: Contender, directory: Path) -> Command:
        command = contender.prepare(directory)
        action()
        return command

    return [replace(contender, prepare=partial(prepared, contender)) for contender in contenders]


Results = Mapping[str, Result]


@dataclass(frozen=True, slots=True)
class Race:
    """The results of those who came through, and what went wrong for the others, by name."""

    results: Results
    failures: Mapping[str, str]


def race(contenders: Sequence[Contender], rounds: int, scratch: Path, told: Callable[[str], None]) -> Race:
    """Let `contenders` run alternately, so that what disturbs the machine disturbs all of them alike.

    One that fails is left out from then on, with all of its results.
    """
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for contender in contenders:
            is_due = contender.rounds is None or number < contender.rounds
            if not is_due or contender.name in failures:
                continue
            try:
                run = _run(contender, scratch)
            except ContenderError as error:
                failures[contender.name] = str(error)
                told(f"{number + 1}/{rounds}    failed    {contender.name}: {error}")
                continue
            runs[contender.name].append(run)
            told(f"{number + 1}/{rounds}  {run.seconds:8.3f} s  {contender.name}")
    came_through = {name: done for name, done in runs.items() if done and name not in failures}
    return Race({name: Result(name, tuple(done)) for name, done in came_through.items()}, failures)


def call(command: Command, directory: Path) -> None:
    """Run a command that is part of a preparation. ContenderError if it fails."""
    words = list(map(str, command))
    environment = _environment(directory)
    try:
        done = subprocess.run(
            words, cwd=directory, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ContenderError(f"{' '.join(words)}: {error}") from error
    if done.returncode != 0:
        raise ContenderError(f"{' '.join(words)}\nended with status {done.returncode}\n{done.stdout}{done.stderr}")


def file_sizes(paths: Iterable[Path]) -> int:
    """The bytes in all files at and below `paths`."""
    below = (file for path in paths for file in ([path] if path.is_file() else path.rglob("*")))
    return sum(file.stat().st_size for file in below if file.is_file())


def _run(contender: Contender, scratch: Path) -> Run:
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=scratch))
    try:
        command = contender.prepare(directory)
        os.sync()  # what was written before is not to be paid for by this one
        seconds, cpu_seconds, peak = _timed(command, directory)
        if contender.has_own_clock:
            seconds = float((directory / OWN_SECONDS).read_text())
        return Run(seconds, cpu_seconds, peak, contender.output(directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _timed(command: Command, directory: Path) -> tuple[float, float, int]:
    record = directory / "stopwatch"
    call([sys.executable, "-I", "-S", STOPWATCH, record, *command], directory)
    seconds, cpu_seconds, peak = record.read_text().split()
    return float(seconds), float(cpu_seconds), int(peak) << 10


def _environment(directory: Path) -> dict[str, str]:
    """The same for everyone: nothing of the user's settings, and caches that start empty."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return {"PATH": path, "HOME": str(directory), "TMPDIR": str(directory), "LANG": "C.UTF-8"}
