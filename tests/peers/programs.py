"""Finding and calling real programs. A missing one skips the test on a user's machine and fails it in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest

# Servers and makers of file systems stand in sbin, which a user's PATH often lacks.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
TIMEOUT = 300.0


class ProgramError(AssertionError):
    """A program ended with a failure that the test did not ask for; the message holds all that it said."""


def require(name: str, source: str = "`make peers` installs it on Debian") -> str:
    """The path of a program. Without it the test is skipped, or fails where `CI=true`: there nothing is left out."""
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        _do_without(f"needs {name} ({source})")
    return path


def require_root() -> None:
    """For what only root can make or see: owners, file capabilities, image mounts, chroot."""
    if os.geteuid() != 0:
        _do_without("needs root")


def call(
    *command: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float = TIMEOUT,
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end. `env` is added to the environment; a status other than 0 raises `ProgramError`."""
    words = [require(str(command[0])), *map(str, command[1:])]
    done = subprocess.run(
        words,
        env={**os.environ, "PATH": SEARCH_PATH, **(env or {})},
        cwd=cwd,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise ProgramError(f"{' '.join(words)}\nended with status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; in CI nothing is left out", pytrace=False)
    pytest.skip(reason)
