"""Runs `ocibuild` as users do, in a process of its own and with an environment that holds nothing of theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TIMEOUT = 60.0
# Of the tester's environment, what finding programs needs; the rest could change what is tested (CI, OCIBUILD_*, proxies).
KEPT = ("PATH", "LANG", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Done:
    """A run that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def digest(self) -> str:
        """The digest at the end of the one line of stdout."""
        (line,) = self.stdout.splitlines()
        return line.rpartition("@")[2]


def environment(home: Path, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a run: a home directory without files, and the changes that a test asks for."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), **(changes or {})}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "ocibuild", *map(str, arguments)]


def ocibuild(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    traceback: bool = False,
) -> Done:
    """Run it in `cwd`. Whatever it was asked to do, no traceback is shown, unless one is wanted."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(cwd, env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if not traceback:
        assert "Traceback" not in done.stderr, done.stderr
        assert "internal error" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def succeed(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """Run it; it must end with 0."""
    done = ocibuild(*arguments, cwd=cwd, env=env)
    assert done.status == 0, f"ocibuild {' '.join(map(str, arguments))}: {done.status}\n{done.stdout}{done.stderr}"
    return done


def write_tree(directory: Path, files: Mapping[str, str]) -> Path:
    """Files with these texts below `directory`, which is given back."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def all_files(directory: Path) -> set[str]:
    """Every file below `directory`, by its path from there."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def temporary_files(*directories: Path) -> list[str]:
    """Files in the making that somebody left behind."""
    found: Iterable[Path] = (path for directory in directories for path in directory.rglob("*"))
    return sorted(str(path) for path in found if path.name.endswith(".tmp") or path.name.startswith(".ocibuild-"))
