"""`make demo`: nothing to prepare, the references at the end, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.program import ROOT, TIMEOUT, environment
from tests.peers.servers import accepts_connections

DEMO = ROOT / "examples/demo.sh"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which `ocibuild` is a program on the PATH, and temporary files have a place of their own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    program = tmp_path / "bin/ocibuild"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ocibuild "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return environment(tmp_path, {"PATH": path, "TMPDIR": str(tmp_path / "tmp")})


def registry_of(text: str) -> str:
    found = re.search(r"^A registry runs at (127\.0\.0\.1:\d+)\.$", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_the_demo_ends_with_references_and_how_to_pull_them(tmp_path: Path, env: dict[str, str]) -> None:
    done = subprocess.run([DEMO], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    registry = registry_of(done.stdout)
    end = done.stdout.partition("Pushed for linux/amd64 and linux/arm64:")[2]
    references = re.findall(rf"^  ({registry}/demo/[\w-]+@sha256:[0-9a-f]{{64}})$", end, re.MULTILINE)
    assert len(references) == 3
    assert f"  podman pull --tls-verify=false {references[0]}\n" in end
    assert not accepts_connections(registry)
    assert os.listdir(tmp_path / "tmp") == []


def test_with_keep_the_registry_runs_until_it_is_interrupted(tmp_path: Path, env: dict[str, str]) -> None:
    with (tmp_path / "output").open("w") as output:
        demo = subprocess.Popen([DEMO, "--keep"], cwd=tmp_path, env=env, stdout=output, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + TIMEOUT
        while "until Ctrl-C" not in (tmp_path / "output").read_text():
            assert demo.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        registry = registry_of((tmp_path / "output").read_text())
        assert accepts_connections(registry)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(timeout=20) == 143
    finally:
        demo.kill()
        demo.wait()
    assert not accepts_connections(registry)
    assert os.listdir(tmp_path / "tmp") == []
