"""Signals at bad moments, beyond those of tests/cli/test_signals.py and tests/server/test_command.py."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.cli import interruption
from tests.cli.program import TIMEOUT, succeed, write_tree
from tests.cli.test_signals import SOON, SPEC, running, until
from tests.fake_registry import BLOBS, SESSIONS, FakeRegistry, image_of, layer_of
from tests.reliability.promises import holdings, leftovers
from tests.reliability.serving import serving
from tests.server.support import Client

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
LARGE = 48 << 20  # more than the buffers between two processes hold


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one large layer that does not pack, built."""
    project = write_tree(tmp_path_factory.mktemp("built"), {"ocibuild.yaml": SPEC})
    (project / "big").write_bytes(random.Random(0).randbytes(LARGE))
    succeed("build", cwd=project)
    return project


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_an_interrupted_push_closes_its_uploads(
    built: Path, fake_registry: FakeRegistry, number: signal.Signals, status: int
) -> None:
    release = threading.Event()
    fake_registry.quirk("PUT", SESSIONS).delay(release, before_body=True)
    try:
        with running("push", f"{fake_registry.host}/team/app:1", cwd=built) as process:
            until(lambda: fake_registry.requests("PUT"), process)
            _interrupt(process, number)
            release.set()  # the line is slow, and not dead: the client comes to see that it is to stop
            process.communicate(timeout=interruption.GRACE + SOON)
            assert process.returncode == status
    finally:
        release.set()
    assert fake_registry.requests("DELETE")
    fake_registry.settle()
    assert fake_registry.open_sessions == 0
    assert fake_registry.tags("team/app") == {}


def test_an_interrupted_push_begins_no_further_upload(tmp_path: Path, fake_registry: FakeRegistry) -> None:
    layers = "".join(f"  - {{name: l{n}, files: [{{text: {n}, to: /f}}]}}\n" for n in range(40))
    write_tree(tmp_path, {"ocibuild.yaml": f"apiVersion: ocibuild/v1\nlayers:\n{layers}"})
    succeed("build", cwd=tmp_path)
    release = threading.Event()
    fake_registry.quirk("PUT", SESSIONS).delay(release, before_body=True)
    try:
        with running("push", f"{fake_registry.host}/team/app:1", cwd=tmp_path) as process:
            until(lambda: len(fake_registry.requests("POST")) == api.UPLOADS, process)
            _interrupt(process, signal.SIGTERM)
            release.set()
            process.communicate(timeout=interruption.GRACE + SOON)
    finally:
        release.set()
    assert len(fake_registry.requests("POST")) == api.UPLOADS
    assert fake_registry.tags("team/app") == {}


@pytest.mark.parametrize(
    ("words", "number", "status"),
    [
        ("pull -o oci:out {}", signal.SIGINT, 130),
        ("pull -o docker-archive:out.tar {}", signal.SIGTERM, 143),
        ("copy {} oci:out:1", signal.SIGTERM, 143),
        ("copy {} oci-archive:out.tar", signal.SIGINT, 130),
    ],
)
def test_an_interrupted_fetch_leaves_nothing_in_the_making(
    tmp_path: Path, fake_registry: FakeRegistry, words: str, number: signal.Signals, status: int
) -> None:
    fake_registry.add_image("team/app", image_of([layer_of({"big": random.Random(0).randbytes(3_000_000)})]), "1")
    release = threading.Event()
    fake_registry.quirk("GET", BLOBS).stall_response(1_000_000, release)
    image = f"{fake_registry.host}/team/app:1"
    try:
        with running(*words.format(image).split(), cwd=tmp_path) as process:
            until(lambda: any(path.stat().st_size for path in tmp_path.rglob("ocibuild-*.tmp")), process)
            _interrupt(process, number)
            release.set()  # the line is slow, and not dead: the client comes to see that it is to stop
            process.communicate(timeout=interruption.GRACE + SOON)
            assert process.returncode == status
    finally:
        release.set()
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "out.tar").exists()
    assert holdings(tmp_path / "out").names == {}


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_an_interrupted_server_forgets_uploads_that_are_not_finished(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with serving(tmp_path / "out") as server, Client(server) as client:
        client("PATCH", client.begin(), b"the first half")
        assert leftovers(tmp_path)
        server.process.send_signal(number)
        assert server.process.wait(interruption.GRACE + SOON) == status
    assert leftovers(tmp_path) == []
    assert holdings(tmp_path / "out").blobs == frozenset()


def test_a_second_signal_ends_a_run_at_once(built: Path, fake_registry: FakeRegistry) -> None:
    release = threading.Event()
    fake_registry.quirk("PUT", SESSIONS).delay(release, before_body=True)
    try:
        with running("push", f"{fake_registry.host}/team/app:1", cwd=built) as process:
            until(lambda: fake_registry.requests("PUT"), process)
            _interrupt(process, signal.SIGTERM)
            since = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(TIMEOUT)
            assert process.returncode == -signal.SIGTERM
            assert time.monotonic() - since < interruption.GRACE
    finally:
        release.set()


def _interrupt(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send the signal, and wait until the main thread has heard of it, or has even ended."""
    process.send_signal(number)
    until(lambda: process.poll() is not None or not _handles(process.pid, number), process)


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
