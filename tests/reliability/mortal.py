"""Runs `ocibuild` so that it dies, or meets a fault of the system, at a moment that a test chooses.

As a program (`python -m tests.reliability.mortal`) it reads a job from each line of stdin and answers each with a line: it has
imported all that a build needs, and forks for every job, so that hundreds of runs take seconds. `Mortal` is its client.

An operation is what changes or reads a file below the job's directory: opening, writing, syncing, renaming, removing ...
They are counted from 1. Faults come in through the interpreter's audit hook, and for what has no event there (reading,
writing, syncing) through functions of `os` that are replaced in the child alone.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).parents[2]
# Event -> how many of its first arguments are paths (or open files).
_EVENTS = {
    "open": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.link": 2, "os.chmod": 1, "os.utime": 1,
    "os.listdir": 1, "os.scandir": 1, "os.symlink": 2, "os.truncate": 1,
}  # fmt: skip
_FUNCTIONS = ("write", "pwrite", "read", "pread", "preadv", "fsync")
_SPEC = """\
apiVersion: ocibuild/v1
layers:
  - {name: a, files: [{text: a, to: /a}]}
  - {name: b, files: [{text: b, to: /b}], compression: zstd}
"""


class Operation(NamedTuple):
    """What was done to which files."""

    event: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One run. At most one of `kill_after` (seconds), `kill_at` and `fail_at` (numbers of operations) is given.
    `user` is who runs it, where that is not the present user; `limits` has soft limits by their names (RLIMIT_...)."""

    arguments: Sequence[str]
    cwd: str
    kill_after: float | None = None
    kill_at: int | None = None
    fail_at: int | None = None
    errno: int = 0
    user: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: its exit code (-9: killed), its time in seconds, what it said, the operations that it began."""

    status: int
    seconds: float
    stdout: str
    stderr: str
    operations: tuple[Operation, ...]

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

    def __call__(self, job: Job) -> Run:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        facts = json.loads(self._process.stdout.readline())
        operations = tuple(Operation(event, tuple(paths)) for event, paths in facts.pop("operations"))
        return Run(**facts, operations=operations)


class _Saboteur:
    """Counts operations in a child, and does what its job says at the chosen one."""

    def __init__(self, job: Job, record: int) -> None:
        self._job, self._record = job, record
        self._lock = threading.Lock()
        self._count = 0
        self._write = os.write

    def install(self) -> None:
        for name in _FUNCTIONS:
            setattr(os, name, self._counting(name, getattr(os, name)))
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS:
            return
        paths = [self._path(argument) for argument in arguments[: _EVENTS[event]]]
        if any(paths):
            self._count_operation(event, paths)

    def _counting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(handle: int, *arguments: Any) -> Any:
            path = self._path(handle)
            if path is not None:
                try:
                    self._count_operation(name, [path])
                except OSError:
                    if name == "write":  # a disk that is full takes what still fits
                        function(handle, arguments[0][: len(arguments[0]) // 2])
                    raise
            return function(handle, *arguments)

        return counted

    def _path(self, argument: object) -> str | None:
        """The path of a file or directory in the job's, from there; it may be open. None for all else that can be."""
        if isinstance(argument, int):
            mode = os.fstat(argument).st_mode
            is_file = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
            argument = os.readlink(f"/proc/self/fd/{argument}") if is_file else None
        if not isinstance(argument, str | bytes | os.PathLike):
            return None
        path = os.fsdecode(argument)
        if path.startswith("/"):
            path = os.path.relpath(path, self._job.cwd)
        return None if path.startswith("..") else path

    def _count_operation(self, event: str, paths: Sequence[str | None]) -> None:
        with self._lock:
            self._count += 1
            number = self._count
            self._write(self._record, json.dumps([event, [path for path in paths if path]]).encode() + b"\n")
        if number == self._job.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self._job.fail_at:
            raise OSError(self._job.errno, os.strerror(self._job.errno), paths[0])


def _run(job: Job) -> dict[str, Any]:
    """Fork for a job and wait for its end; the facts of a `Run`."""
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
    operations = [json.loads(line) for line in _content(record).splitlines()]
    return {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "stdout": _content(out),
        "stderr": _content(err),
        "operations": operations,
    }


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
        os.environ["HOME"] = job.cwd
        if job.user is not None:
            os.setgroups([])
            os.setgid(job.user)
            os.setuid(job.user)
        for name, limit in job.limits.items():
            number = getattr(resource, name)
            resource.setrlimit(number, (limit, resource.getrlimit(number)[1]))
        from ocibuild.cli.app import run

        _Saboteur(job, record).install()
        code = run(list(job.arguments))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _import_all() -> None:
    """All that a run imports, so that no child does it or meets a fault in it; another user might not even read it."""
    from ocibuild.cli.app import run

    for module in (
        "cli.commands.push",
        "cli.commands.pull",
        "cli.commands.verify",
        "registry.client",
        "registry.transport",
    ):
        __import__(f"ocibuild.{module}")
    with tempfile.TemporaryDirectory() as directory, redirect_stdout(StringIO()):
        spec = Path(directory, "ocibuild.yaml")
        spec.write_text(_SPEC)
        for kind in ("oci", "oci-archive", "docker-archive"):
            assert run(["build", "-q", "--no-cache", "-f", str(spec), "-o", f"{kind}:{directory}/{kind}"]) == 0
        assert run(["copy", "-q", f"oci:{directory}/oci", f"oci:{directory}/copied"]) == 0


def main() -> None:
    _import_all()
    for line in sys.stdin:
        print(json.dumps(_run(Job(**json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
