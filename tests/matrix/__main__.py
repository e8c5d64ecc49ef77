"""The whole matrix, as a table.

    python -m tests.matrix

Needs root, for chroot. The roots are kept in `.cache/matrix`; delete them to have newer ones.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.cli.program import ROOT, command, environment
from tests.end_to_end.project import write_project
from tests.end_to_end.ways import OUTPUT, WAYS, Way, files_of
from tests.matrix.roots import AMD64, ARM64, SUITES, Maker, Root

_DIRECTORY = ROOT / ".cache" / "matrix"
_SECONDS = 300
_USER = 12345
# Each row with the user who builds: another than root needs a Python that everybody may read.
_ROWS: Mapping[str, tuple[Way, int]] = {
    **{name: (way, 0) for name, way in WAYS.items()},
    "another user": (Way(), _USER),
}
Layout = dict[str, bytes]
Build = Callable[[Way, int], Layout | None]


def main() -> int:
    if os.geteuid() != 0:
        print("the matrix needs root, for chroot", file=sys.stderr)
        return 2
    _DIRECTORY.mkdir(parents=True, exist_ok=True)
    maker = Maker(_DIRECTORY)
    roots = [maker.root(suite, architecture) for architecture in (AMD64, ARM64) for suite in SUITES]
    columns: dict[str, Build] = {f"{platform.python_version()} {platform.machine()}, own": build_here}
    columns |= {
        f"{platform.python_version()} {platform.machine()}, own, /dev/shm": partial(build_here, memory="/dev/shm")
    }
    columns |= {root.name: partial(build_within, root) for root in roots}
    usual = build_here(Way(), 0)
    assert usual
    found = {name: _column(name, build, usual) for name, build in columns.items()}
    _print_table(found)
    words = [word for column in found.values() for word in column.values()]
    print(
        f"\n{words.count('same')} of {len(words) - words.count('-')} builds gave every byte of the usual one, index.json included:"
    )
    print(f"sha256:{hashlib.sha256(usual['index.json']).hexdigest()}")
    return int("DIFFERENT" in words)


def build_here(way: Way, user: int, memory: str | None = None) -> Layout | None:
    """A build with the Python that runs this; none for another user, who may not be allowed to read it."""
    if user:
        return None
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        project = write_project(Path(directory, way.directory), seed=way.seed, umask=way.umask)
        words = command("build", "-q", "-o", f"oci:{OUTPUT}", *way.arguments)
        _run(words, environment(project, way.env), lambda: os.chdir(project), way)
        return files_of(project / OUTPUT)


def build_within(root: Root, way: Way, user: int) -> Layout:
    """A build with the Python of a root."""
    (root.path / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.path / "tmp") as directory:
        project = write_project(Path(directory, way.directory), seed=way.seed, umask=way.umask)
        inside = f"/{project.relative_to(root.path)}"
        for path in (Path(directory), project):
            os.chown(path, user, user)

        def enter() -> None:
            os.chroot(root.path)
            os.chdir(inside)
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)

        words = [*root.python, "-m", "ocibuild", "build", "-q", "-o", f"oci:{OUTPUT}", *way.arguments]
        _run(words, {"HOME": inside, "PATH": "/usr/bin", "PYTHONPATH": "/source:/packages", **way.env}, enter, way)
        return files_of(project / OUTPUT)


def _run(words: list[str], env: Mapping[str, str], enter: Callable[[], None], way: Way) -> None:
    done = subprocess.run(
        words,
        env=env,
        umask=way.umask,
        preexec_fn=enter,  # this process has no other thread
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")


def _column(name: str, build: Build, usual: Layout) -> dict[str, str]:
    since = time.monotonic()
    words = {}
    for row, (way, user) in _ROWS.items():
        layout = build(way, user)
        words[row] = "-" if layout is None else "same" if layout == usual else "DIFFERENT"
        if words[row] == "DIFFERENT":
            print(f"{name}, {row}: not the same bytes", file=sys.stderr)
    print(f"{name}: {time.monotonic() - since:.0f} s", file=sys.stderr, flush=True)
    return words


def _print_table(found: Mapping[str, Mapping[str, str]]) -> None:
    print("| way | " + " | ".join(found) + " |")
    print("| --- |" + " --- |" * len(found))
    for row in _ROWS:
        print(f"| {row} | " + " | ".join(column[row] for column in found.values()) + " |")


if __name__ == "__main__":
    sys.exit(main())
