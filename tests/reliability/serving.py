"""`ocibuild serve` in a process of its own, which a test may kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.mortal import ROOT


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs."""

    process: subprocess.Popen[str]
    url: str

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@contextmanager
def serving(layout: Path) -> Iterator[Server]:
    """A server over a layout, until the block ends or it is killed."""
    words = [sys.executable, "-m", "ocibuild", "serve", "--port", "0", str(layout)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            url = process.stdout.readline().strip()
            assert url, "the server did not start"
            yield Server(process, url)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
