"""Signals at bad moments, beyond those of tests/cli/test_signals.py and tests/server/test_command.py."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from ocibuild.cli import interruption
from tests.cli.program import TIMEOUT, succeed, write_tree
from tests.cli.test_signals import SOON, SPEC, running, until
from tests.fake_registry import SESSIONS, FakeRegistry

LARGE = 48 << 20  # more than the buffers between two processes hold


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A project with one large layer that does not pack, built."""
    write_tree(tmp_path, {"ocibuild.yaml": SPEC})
    (tmp_path / "big").write_bytes(random.Random(0).randbytes(LARGE))
    succeed("build", cwd=tmp_path)
    return tmp_path


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_push_closes_its_uploads(
    built: Path, fake_registry: FakeRegistry, number: signal.Signals, status: int
) -> None:
    release = threading.Event()
    fake_registry.quirk("PUT", SESSIONS).delay(release, before_body=True)
    try:
        with running("push", f"{fake_registry.host}/team/app:1", cwd=built) as process:
            until(lambda: fake_registry.requests("PUT"), process)
            process.send_signal(number)
            until(lambda: not _handles(process.pid, number), process)
            release.set()  # the line is slow, and not dead: the client comes to see that it is to stop
            process.communicate(timeout=interruption.GRACE + SOON)
            assert process.returncode == status
    finally:
        release.set()
    assert fake_registry.requests("DELETE")
    fake_registry.settle()
    assert fake_registry.open_sessions == 0
    assert fake_registry.tags("team/app") == {}


def test_a_second_signal_ends_a_run_at_once(built: Path, fake_registry: FakeRegistry) -> None:
    release = threading.Event()
    fake_registry.quirk("PUT", SESSIONS).delay(release, before_body=True)
    try:
        with running("push", f"{fake_registry.host}/team/app:1", cwd=built) as process:
            until(lambda: fake_registry.requests("PUT"), process)
            process.send_signal(signal.SIGTERM)
            until(lambda: not _handles(process.pid, signal.SIGTERM), process)
            since = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(TIMEOUT)
            assert process.returncode == -signal.SIGTERM
            assert time.monotonic() - since < interruption.GRACE
    finally:
        release.set()


def _handles(process: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for the signal; the first one that comes takes it away."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except FileNotFoundError:
        return False
    caught = next((line for line in lines if line.startswith("SigCgt:")), "SigCgt: 0")
    return bool(int(caught.split()[1], 16) & 1 << (number - 1))


def test_a_build_that_was_interrupted_begins_again_where_nothing_stands_in_its_way(tmp_path: Path) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": SPEC})
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 30)
    with running("build", "-o", "oci:out", cwd=tmp_path) as process:
        until(lambda: (tmp_path / "out/blobs/sha256").exists() and os.listdir(tmp_path / "out/blobs/sha256"), process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=interruption.GRACE + SOON)
        assert process.returncode == 143
    (tmp_path / "big").write_bytes(b"small")
    digest = succeed("build", "-o", "oci:out", cwd=tmp_path).digest
    assert succeed("digest", "oci:out", cwd=tmp_path).stdout.strip().endswith(digest)
