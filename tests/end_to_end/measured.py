"""Runs the command and says how much memory it took at most."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cli.program import command, environment

# A process begins with the peak of the one that made it, so a small one stands between the tests and what is measured.
BETWEEN = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
TIMEOUT = 120.0


def peak_memory(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> float:
    """The most memory (MB) that `ocibuild ARGUMENTS` had at any moment. It must end well."""
    done = subprocess.run(
        [sys.executable, "-c", BETWEEN, *command(*arguments)],
        cwd=cwd,
        env=environment(cwd, env),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) * 1024 / 1e6
