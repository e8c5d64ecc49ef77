"""The git program, asked for facts: never for anything that writes, waits for a person, or heeds a user's settings."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_TIMEOUT = 30


def git_bytes(directory: Path, *arguments: str) -> bytes | None:
    """What `git` prints, or None where it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - words of ours, and names that git itself gave or has judged
            # A checkout can name a program that git is to run whenever it looks at files (core.fsmonitor).
            ["git", "-c", "core.fsmonitor=", "-C", str(directory), *arguments],  # noqa: S607 - git is looked up as any program
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
            # A prompt would wait for ever; and looking must not write: `git status` would refresh the index, under a lock.
            env={**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def git_text(directory: Path, *arguments: str) -> str | None:
    """The same as text, without blanks around it."""
    answer = git_bytes(directory, *arguments)
    return None if answer is None else answer.decode("utf-8", "replace").strip()
