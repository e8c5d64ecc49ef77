"""Runs `ocibuild` so that it dies, or meets a fault of the system, at a moment that a test chooses.

As a program (`python -m tests.reliability.mortal`) it reads a job from each line of stdin and answers each with a line: it has
imported all that a build needs, and forks for every job, so that hundreds of runs take seconds. `Mortal` is its client.

An operation is what changes or reads a file below the job's directory: opening, writing, syncing, renaming, removing ...
They are counted from 1. Faults come in through the interpreter's audit hook, and for what has no event there (reading,
writing, syncing) through functions of `os` that are replaced in the child alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
# Event -> how many of its first arguments are paths.
_EVENTS = {
    "open": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.link": 2, "os.chmod": 1, "os.utime": 1,
    "os.listdir": 1, "os.scandir": 1, "os.symlink": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """One run. At most one of `kill_after` (seconds), `kill_at` and `fail_at` (numbers of operations) is given.
    `user` is who runs it, where that is not the present user."""

    arguments: Sequence[str]
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict)
    kill_after: float | None = None
    kill_at: int | None = None
    fail_at: int | None = None
    errno: int = 0
    user: int | None = None


@dataclass(frozen=True, slots=True)
class Death:
    """How a run ended: its exit code (-9: killed), its time in seconds, what it said, the operations that it began."""

    status: int
    seconds: float
    stdout: str
    stderr: str
    operations: tuple[str, ...]

    @property
    def was_killed(self) -> bool:
        return self.status == -signal.SIGKILL

    @property
    def digest(self) -> str:
        """The digest at the end of the first line of stdout."""
        return self.stdout.splitlines()[0].rpartition("@")[2]


class Mortal:
    """Runs jobs, one at a time."""

    def __init__(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.mortal"],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def __call__(self, job: Job) -> Death:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        facts = json.loads(self._process.stdout.readline())
        return Death(**{**facts, "operations": tuple(facts["operations"])})


class _Saboteur:
    """Counts operations in a child, and does what its job says at the chosen one."""

    def __init__(self, job: Job, record: int) -> None:
        self._job, self._record = job, record
        self._lock = threading.Lock()
        self._count = 0
        self._is_busy = threading.local()

    def install(self) -> None:
        sys.addaudithook(self._audit)
        for name in ("write", "pwrite", "read", "pread", "preadv", "fsync"):
            setattr(os, name, self._counting(name, getattr(os, name)))

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS and any(self._is_ours(path) for path in arguments[: _EVENTS[event]]):
            paths = arguments[: _EVENTS[event]]
            self._operation(f"{event} {paths}", *(path for path in paths if isinstance(path, str | bytes)))

    def _counting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(handle: int, *arguments: Any) -> Any:
            path = self._path_of(handle)
            if path is not None:
                try:
                    self._operation(f"{name} {path}")
                except OSError:
                    if name == "write":  # a disk that is full takes what still fits
                        function(handle, arguments[0][: len(arguments[0]) // 2])
                    raise
            return function(handle, *arguments)

        return counted

    def _path_of(self, handle: int) -> str | None:
        mode = os.fstat(handle).st_mode
        path = os.readlink(f"/proc/self/fd/{handle}")
        return path if (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and self._is_ours(path) else None

    def _is_ours(self, path: object) -> bool:
        if isinstance(path, int):
            return self._path_of(path) is not None
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        return text.startswith(self._job.cwd) or not text.startswith("/")

    def _operation(self, said: str, *paths: str | bytes) -> None:
        with self._lock:
            self._count += 1
            number = self._count
            _write(self._record, f"{said}\n".encode())
        if number == self._job.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self._job.fail_at:
            raise OSError(self._job.errno, os.strerror(self._job.errno), *paths[:1])


_write = os.write


def _die(job: Job) -> Death:
    """Fork for a job and wait for its end."""
    out, err, record = (os.memfd_create(name) for name in ("out", "err", "operations"))
    since = time.monotonic()
    child = os.fork()
    if child == 0:
        _live(job, out, err, record)
    handle = os.pidfd_open(child)
    if not select.select([handle], [], [], job.kill_after)[0]:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - since
    os.close(handle)
    texts = [_content(each) for each in (out, err, record)]
    return Death(os.waitstatus_to_exitcode(status), seconds, texts[0], texts[1], tuple(texts[2].splitlines()))


def _content(handle: int) -> str:
    with os.fdopen(handle, "rb") as file:
        file.seek(0)
        return file.read().decode("utf-8", "replace")


def _live(job: Job, out: int, err: int, record: int) -> None:
    """The child: never returns."""
    code = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(job.cwd)
        os.environ.update({"HOME": job.cwd, **job.env})
        from ocibuild.cli.app import run

        if job.user is not None:
            os.setgroups([])
            os.setgid(job.user)
            os.setuid(job.user)
        _Saboteur(job, record).install()
        code = run(list(job.arguments))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        with contextlib.suppress(OSError):
            _write(record, b"")
        os._exit(code)


def _silently(arguments: list[str]) -> None:
    from ocibuild.cli.app import run

    with contextlib.redirect_stdout(io.StringIO()):
        assert run(arguments) == 0


def _serve() -> None:
    for module in ("api", "cli.commands.build", "cli.commands.push", "cli.commands.pull", "registry.client"):
        __import__(f"ocibuild.{module}")
    import deflate  # noqa: F401 - imported here once, and not in every child
    import httpx  # noqa: F401
    import jinja2  # noqa: F401
    import zstandard  # noqa: F401

    with tempfile.TemporaryDirectory() as directory:  # a first build imports the rest, which another user may not read
        (Path(directory) / "ocibuild.yaml").write_text(
            "apiVersion: ocibuild/v1\nlayers: [{name: a, files: [{text: a, to: /a}]}]\n"
        )
        for output in ("oci:out", "oci-archive:out.tar", "docker-archive:out.tar"):
            _silently(
                [
                    "build",
                    "-q",
                    "--no-cache",
                    "-f",
                    f"{directory}/ocibuild.yaml",
                    "-o",
                    output.replace(":", f":{directory}/"),
                ]
            )
    for line in sys.stdin:
        death = _die(Job(**json.loads(line)))
        print(json.dumps(asdict(death)), flush=True)


if __name__ == "__main__":
    _serve()
