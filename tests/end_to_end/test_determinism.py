"""The same sources give the same bytes, of every blob and of index.json, whoever builds them, where, when and how.

Here on this machine's Python; on others, and on another architecture: `make matrix`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.cli.program import ROOT, command, environment
from tests.end_to_end.project import write_project
from tests.end_to_end.ways import OUTPUT, WAYS, Way, files_of
from tests.oracles.layouts import read_layout
from tests.peers.programs import require_root

# Runs a build twice in one process: the first, as root, imports all that a build needs, in case others may not read it.
AS_ANOTHER_USER = """
import os, sys
from ocibuild.cli.app import run
user, first, *arguments = sys.argv[1:]
assert run([*arguments, "-o", f"oci:{first}"]) == 0
os.setgroups([])
os.setgid(int(user))
os.setuid(int(user))
sys.exit(run(arguments))
"""


def build(directory: Path, way: Way, python: str = sys.executable) -> dict[str, bytes]:
    """Builds the project in a process of its own; every file of the layout."""
    project = write_project(directory / way.directory, seed=way.seed, umask=way.umask)
    words = [python, *command("build", "-q", "-o", f"oci:{OUTPUT}", *way.arguments)[1:]]
    return _run(words, project, way)


def _run(words: list[str], project: Path, way: Way) -> dict[str, bytes]:
    done = subprocess.run(
        words,
        cwd=project,
        env=environment(project, way.env),
        umask=way.umask,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return files_of(project / OUTPUT)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The layout that the usual build gives: an image that the oracle has nothing against."""
    directory = tmp_path_factory.mktemp("usual")
    files = build(directory, Way())
    images = read_layout(directory / "project" / OUTPUT)
    assert {image.platform for image in images} == {"linux/amd64", "linux/arm64/v8"}
    return files


def check_same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.parametrize("way", WAYS.values(), ids=[name.replace(" ", "-") for name in WAYS])
def test_every_byte_is_the_same(tmp_path: Path, usual: dict[str, bytes], way: Way) -> None:
    check_same(build(tmp_path, way), usual)


OWN_VERSION = "{}.{}".format(*sys.version_info)
NEEDED = "import click, deflate, filelock, httpx, jinja2, jsonschema, packaging, platformdirs, rich, yaml, zstandard"


@pytest.mark.parametrize("version", [version for version in ("3.11", "3.12", "3.13") if version != OWN_VERSION])
def test_every_byte_is_the_same_under_another_python(tmp_path: Path, usual: dict[str, bytes], version: str) -> None:
    check_same(build(tmp_path, Way(), other_python(version)), usual)


def other_python(version: str) -> str:
    """A Python of this version that has what ocibuild needs: of an environment `.venv-VERSION`, or on PATH."""
    candidates = (str(ROOT / f".venv-{version}/bin/python"), f"python{version}")
    for python in filter(shutil.which, candidates):
        if subprocess.run([python, "-c", NEEDED], capture_output=True, check=False, cwd="/").returncode == 0:
            return python
    pytest.skip(f"no Python {version} has the packages that ocibuild needs (looked for {' and '.join(candidates)})")


def test_every_byte_is_the_same_for_another_user(usual: dict[str, bytes]) -> None:
    require_root()
    # Not among pytest's directories, which it keeps closed to all but their owner.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        project = write_project(Path(directory, "project"))
        project.chmod(0o777)
        first, user = f"{directory}/first", 12345
        words = [sys.executable, "-c", AS_ANOTHER_USER, str(user), first, "build", "-q", "-o", f"oci:{OUTPUT}"]
        check_same(_run(words, project, Way()), usual)
        assert (project / OUTPUT / "index.json").stat().st_uid == user


def test_every_byte_is_the_same_on_another_file_system(usual: dict[str, bytes]) -> None:
    """One that lists names in another order."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or os.stat(memory).st_dev == os.stat(tempfile.gettempdir()).st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        check_same(build(Path(directory), Way()), usual)


def test_archives_are_the_same_too(tmp_path: Path) -> None:
    archives = []
    for way in (Way("one"), Way("two", seed=5, umask=0o077, env={"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "5"})):
        project = write_project(tmp_path / way.directory, seed=way.seed, umask=way.umask)
        words = command("build", "-q", "-o", "oci-archive:out.tar", *way.arguments)
        subprocess.run(words, cwd=project, env=environment(project, way.env), umask=way.umask, check=True)
        archives.append((project / "out.tar").read_bytes())
    assert archives[0] == archives[1]
