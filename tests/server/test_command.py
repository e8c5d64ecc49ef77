"""`ocibuild serve` as a process: what it prints, how it ends, what it leaves when it is killed."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ocibuild import api
from tests.oracles.layouts import read_layout
from tests.peers.servers import wait_until
from tests.server.pictures import picture
from tests.server.support import MIB, Client, random_bytes, temporary_files

ROOT = Path(__file__).parents[2]


@dataclass
class Process:
    """A running `ocibuild serve`."""

    process: subprocess.Popen[str]
    url: str

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; the exit code and what was said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


@contextmanager
def command(*arguments: str | Path) -> Iterator[Process]:
    words = [sys.executable, "-m", "ocibuild", "serve", "--port", "0", *map(str, arguments)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Process(process, process.stdout.readline().strip())
        finally:
            process.kill()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "ocibuild", "serve", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_says_where_it_is_and_ends_with_a_signal(layout: Path, number: int, code: int) -> None:
    with command(layout) as process:
        assert process.url.startswith("http://127.0.0.1:")
        with Client(process) as client:
            location = client.begin()
            client("PATCH", location, b"half")
        assert len(temporary_files(layout)) == 1
        status, said = process.end(number)
    assert status == code
    assert "not a production registry" in said
    assert "Traceback" not in said
    assert temporary_files(layout) == []


def test_it_shows_requests_when_asked_without_obeying_them(layout: Path) -> None:
    with command(f"oci:{layout}", "-v") as process:
        parts = urlsplit(process.url)
        with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=20) as connection:
            connection.sendall(b"GET /v2/\x1b]0;title\x07x HTTP/1.1\r\n\r\n")
            assert connection.recv(1000)
        _, said = process.end(signal.SIGTERM)
    assert "GET /v2/\\x1b]0;title\\x07x 404" in said


def test_what_it_refuses(layout: Path) -> None:
    with command(layout) as process:
        port = process.url.rpartition(":")[2]
        cases = {
            ("--host", "0.0.0.0", "--port", "0", layout): (2, "--allow-remote"),
            ("--port", port, layout.with_name("other")): (3, "--port 0"),
            ("--port", "0", layout): (3, "--read-only"),
            ("--port", "70000", layout): (2, "70000"),
        }
        for arguments, (code, text) in cases.items():
            done = run(*arguments)
            assert (done.returncode, done.stdout) == (code, "")
            assert text in done.stderr
            assert "Traceback" not in done.stderr


def test_by_default_it_serves_what_build_makes() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "not a production registry" in " ".join(done.stdout.lower().split())
    assert api.DEFAULT_OUTPUT.path == ".ocibuild/layout"


def test_a_server_that_is_killed_during_pushes_leaves_a_valid_layout(layout: Path) -> None:
    random.seed(0)
    for attempt in range(5):
        acknowledged = pushed_until_killed(layout, str(attempt), random.randrange(1, 12))
        names = {name for image in read_layout(layout) for name in image.names}
        assert set(acknowledged) <= names
        assert all(name.startswith(".ocibuild-uploads/") for name in temporary_files(layout))
    with command(layout) as process:
        assert temporary_files(layout) == []
        process.end(signal.SIGTERM)


def pushed_until_killed(layout: Path, name: str, least: int) -> list[str]:
    """The tags that a server took in before it was killed, after at least so many."""
    acknowledged: list[str] = []
    with command(layout) as process, ExitStack() as stack:
        for number in range(3):
            pusher = threading.Thread(target=push_until_it_dies, args=(process, f"{name}-{number}", acknowledged))
            pusher.start()
            stack.callback(pusher.join)
        wait_until(lambda: len(acknowledged) >= least, "some pushes are done")
        process.process.kill()
    return acknowledged


def push_until_it_dies(server: Process, name: str, acknowledged: list[str]) -> None:
    with suppress(OSError, HTTPException), Client(server) as client:
        for number in range(1000):
            tag = f"{name}-{number}"
            parts = picture(tag, random_bytes(300_000, hash(tag)))
            for blob in parts.blobs:
                client.push_blob(blob)
            client.push_manifest(parts.manifest, tag)
            acknowledged.append(tag)


def test_large_blobs_need_little_memory(layout: Path) -> None:
    data = random_bytes(100 * MIB)
    with command(layout) as process:
        with Client(process) as client:
            digest = client.push_blob(data)
            location = client.begin()
            client("PATCH", location, iter([data[start : start + MIB] for start in range(0, len(data), MIB)]))
            assert client("PUT", f"{location}?digest={digest}").status == 201
            assert client("GET", f"/v2/app/blobs/{digest}").body == data
        status = Path(f"/proc/{process.process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 80 * 1024, "KiB"
