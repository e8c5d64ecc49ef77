"""Many processes at one layout, one cache or one archive; and disks that may not, or cannot, be written to."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.program import TIMEOUT, command, environment, ocibuild, succeed
from tests.oracles.layouts import read_layout
from tests.peers.programs import call, require_root
from tests.reliability.mortal import Job, Mortal
from tests.reliability.projects import write_project
from tests.reliability.promises import holdings, leftovers

SEVERAL = 6


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


def at_once(project: Path, *ways: tuple[str, ...]) -> list[str]:
    """Builds at the same time, one for each way; their digests. All must succeed."""
    processes = [
        subprocess.Popen(
            command("build", "-q", "--cache-dir", "cache", *way),
            cwd=project,
            env=environment(project),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for way in ways
    ]
    ends = [(*process.communicate(timeout=TIMEOUT), process.returncode) for process in processes]
    assert [(error, status) for _, error, status in ends] == [("", 0)] * len(ways)
    return [out.strip().rpartition("@")[2] for out, _, _ in ends]


def test_several_processes_share_a_layout_and_a_cache(project: Path) -> None:
    alone = succeed("build", "-q", "--no-cache", "-o", "oci:alone", cwd=project).digest
    for _ in ("cold", "warm"):
        assert at_once(project, *([("-o", "oci:out", "-t", f"t{n}") for n in range(SEVERAL)])) == [alone] * SEVERAL
        assert {tag for _, tag in holdings(project / "out").names} == {f"t{n}" for n in range(SEVERAL)}
    assert leftovers(project) == []


def test_several_processes_fill_a_cache_while_it_is_emptied(project: Path) -> None:
    prune = f"while :; do {' '.join(command('cache', 'prune', '--cache-dir', 'cache'))}; done"
    with subprocess.Popen(
        ["bash", "-c", prune], cwd=project, env=environment(project), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as pruning:
        try:
            digests = at_once(project, *(("-o", f"oci:out{n}") for n in range(SEVERAL)))
        finally:
            pruning.kill()
    assert len(set(digests)) == 1
    for n in range(SEVERAL):
        assert {image.names[0] for image in read_layout(project / f"out{n}")} == {"1", "latest"}


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_of_several_archives_under_one_name_one_stays_and_it_is_whole(project: Path, kind: str) -> None:
    ways = [("-o", f"{kind}:out.tar", "--platform", "linux/amd64", "--label", f"n={n}") for n in range(SEVERAL)]
    digests = at_once(project, *ways)
    listed = succeed("inspect", "--json", f"{kind}:out.tar", cwd=project).json
    assert listed
    assert len(set(digests)) == SEVERAL
    succeed("copy", f"{kind}:out.tar", "oci:copied", cwd=project)
    assert len(read_layout(project / "copied")) >= 1
    assert leftovers(project) == []


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    require_root()
    place.mkdir()
    call("mount", "-t", "tmpfs", "-o", options, "tmpfs", place)
    try:
        yield place
    finally:
        call("umount", place)


def test_a_disk_that_is_read_only_is_named_and_can_be_read_from(project: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=32m") as disk:
        digest = succeed("build", "-q", "-o", f"oci:{disk}/out", "--no-cache", cwd=project).digest
        call("mount", "-o", "remount,ro", disk)
        for output in (
            f"oci:{disk}/out",
            f"oci:{disk}/new",
            f"oci-archive:{disk}/new.tar",
            f"docker-archive:{disk}/new.tar",
        ):
            done = ocibuild("build", "-q", "--platform", "linux/amd64", "-o", output, "--label", "a=b", cwd=project)
            assert (done.status, done.stdout) == (3, "")
            assert "Read-only file system" in done.stderr
            assert f"  at: {disk}" in done.stderr
            assert "hint: that file system is read-only" in done.stderr
        assert succeed("digest", f"oci:{disk}/out:1", cwd=project).stdout.strip().endswith(digest)
        succeed("copy", f"oci:{disk}/out:1", "oci:copied", cwd=project)
        # The cache is for speed: one that cannot be written is no reason to fail.
        done = succeed("build", "-q", "-o", "oci:elsewhere", "--cache-dir", disk / "cache", cwd=project)
        assert done.digest == digest


def test_a_directory_of_somebody_else_is_named(project: Path, tmp_path: Path, mortal: Mortal) -> None:
    require_root()
    # Not among pytest's directories, which it keeps closed to all but their owner.
    place = Path(f"/dev/shm/ocibuild-{os.getpid()}")
    shutil.copytree(project, place)
    try:
        (place / "out").mkdir(mode=0o755)
        for output in ("oci:out", "oci:out/new", "oci-archive:out/new.tar"):
            death = mortal(Job(["build", "-q", "-o", output, "--no-cache"], str(place), user=12345))
            assert death.status == 3, death
            assert "Permission denied" in death.stderr
            assert "  at: " in death.stderr
            assert "out" in death.stderr
            assert "change the permissions there" in death.stderr
        assert list((place / "out").iterdir()) == []
        assert mortal(Job(["build", "-q", "-o", "oci:out", "--no-cache"], str(place))).status == 0
        death = mortal(Job(["digest", "oci:out:1"], str(place), user=12345))
        assert death.status == 0, death
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("place", ["/dev/full/cache", "/proc/nowhere", "nowhere/\udcff"])
def test_a_cache_that_cannot_be_is_no_reason_to_fail(project: Path, place: str) -> None:
    succeed("build", "-q", "-o", "oci:out", "--cache-dir", place, cwd=project)
    assert read_layout(project / "out")


def test_an_output_that_is_full_is_an_error(project: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("build", "-q"), cwd=project, env=environment(project), stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "error: No space left on device\n  at: the standard output\n"


def test_few_files_may_be_open_at_once(project: Path) -> None:
    """A limit that a build keeps to, or says that it cannot."""
    for limit in (256, 40, 16, 12):
        line = f"ulimit -n {limit}; exec {' '.join(command('build', '-q', '-j', '8', '-o', f'oci:out{limit}', '--no-cache'))}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=project, env=environment(project), capture_output=True, text=True, timeout=TIMEOUT, check=False
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert done.returncode in ((0,) if limit > 100 else (0, 3)), done.stderr
        if done.returncode:
            assert "Too many open files" in done.stderr
        else:
            assert read_layout(project / f"out{limit}")


def test_a_quota_for_files_is_named(project: Path) -> None:
    """A limit on the size of a file takes the way of EDQUOT and EFBIG through the code, and needs no file system of its own."""
    script = f"ulimit -f 100; exec {' '.join(command('build', '-q', '-o', 'oci:out', '--no-cache'))}"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        ["bash", "-c", script], cwd=project, env=environment(project), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )  # fmt: skip
    assert done.returncode == 3
    assert "cannot write: File too large" in done.stderr
    assert "out/blobs/sha256/" in done.stderr
    assert leftovers(project) == []
    assert read_layout(project / "out") == []
