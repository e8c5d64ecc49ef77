"""Starting a server program on a free loopback port, and stopping it whatever happens to the test run."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.programs import SEARCH_PATH, require

LOOPBACK = "127.0.0.1"
READY_WITHIN = 20.0
# Below the range from which the system takes the ports of outgoing connections, so that none of them gets in between.
PORTS = range(20_000, 30_000)

_running: dict[str, Path] = {}


def free_port() -> int:
    """A port on which nobody listens now. Drawn from the system's randomness: test libraries seed Python's."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


@contextmanager
def serving(command: Sequence[str | Path], *, name: str, port: int, log: Path) -> Iterator[None]:
    """Runs a server until the block ends. Entered once it accepts connections on `port`; its output is in `log`."""
    words = [*_dying_with_us(), require(str(command[0])), *map(str, command[1:])]
    with log.open("ab") as output:
        # An empty environment: docker-registry, for one, reads its settings from variables too.
        process = subprocess.Popen(
            words, env={"PATH": SEARCH_PATH}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    _running[name] = log
    try:
        _wait_until_ready(process, name, port, log)
        yield
    finally:
        del _running[name]
        _stop(process)


def logs_of_running(lines: int = 20) -> list[tuple[str, str]]:
    """The name and the end of the log of each server that runs now, for the report of a failed test."""
    return [(name, tail(log, lines)) for name, log in _running.items() if log.exists()]


def tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def accepts_connections(host: str) -> bool:
    """Whether somebody listens at `ADDRESS:PORT`."""
    address, _, port = host.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((address, int(port))) == 0


def wait_until(condition: Callable[[], bool], what: str, within: float = READY_WITHIN) -> None:
    """Asks until the answer is yes; raises TimeoutError with `what` did not come true."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {within:g} s still not true: {what}")
        time.sleep(0.01)


def _wait_until_ready(process: subprocess.Popen[bytes], name: str, port: int, log: Path) -> None:
    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended at once, status {process.returncode}:\n{tail(log)}")
        return accepts_connections(f"{LOOPBACK}:{port}")

    try:
        wait_until(ready, f"{name} accepts connections on port {port}")
    except TimeoutError as error:
        raise RuntimeError(f"{error}\n{tail(log)}") from error


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _dying_with_us() -> list[str]:
    """A prefix by which the kernel ends the server if the test run is killed (Linux: PR_SET_PDEATHSIG).

    Not `preexec_fn`: since Python 3.12 it warns in a process with threads, and warnings are errors here.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
