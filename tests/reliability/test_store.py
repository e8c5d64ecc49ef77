"""Many processes at one layout, one cache or one archive; and disks that may not, or cannot, be written to."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ocibuild.store.build_cache import LayerRecords
from ocibuild.store.layout import Layout
from tests.cli.program import TIMEOUT, command, environment, ocibuild, succeed
from tests.oracles.layouts import read_layout
from tests.peers.programs import call, require_root
from tests.reliability.mortal import Job, Mortal, Operation, Run
from tests.reliability.projects import write_project
from tests.reliability.promises import holdings, leftovers
from tests.reliability.serving import serving
from tests.server.support import Client, digest_of

SEVERAL = 4
BUILD = ("build", "-q", "--cache-dir", "cache", "-o")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


def at_once(project: Path, *ways: tuple[str, ...]) -> list[str]:
    """Runs at the same time, one for each way; their digests. All must succeed."""
    processes = [
        subprocess.Popen(
            command(*way),
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
        assert at_once(project, *((*BUILD, "oci:out", "-t", f"t{n}") for n in range(SEVERAL))) == [alone] * SEVERAL
        assert {tag for _, tag in holdings(project / "out").names} == {f"t{n}" for n in range(SEVERAL)}
    assert leftovers(project) == []


def test_several_processes_fill_a_cache_while_it_is_emptied(project: Path) -> None:
    prune = f"while :; do {' '.join(command('cache', 'prune', '--cache-dir', 'cache'))}; done"
    with subprocess.Popen(
        ["bash", "-c", prune], cwd=project, env=environment(project), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as pruning:
        try:
            digests = at_once(project, *((*BUILD, f"oci:out{n}") for n in range(SEVERAL)))
        finally:
            pruning.kill()
    assert len(set(digests)) == 1
    for n in range(SEVERAL):
        assert {image.names[0] for image in read_layout(project / f"out{n}")} == {"1", "latest"}


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_of_several_archives_under_one_name_one_stays_and_it_is_whole(project: Path, kind: str) -> None:
    ways = [(*BUILD, f"{kind}:out.tar", "--platform", "linux/amd64", "--label", f"n={n}") for n in range(SEVERAL)]
    digests = at_once(project, *ways)
    listed = succeed("inspect", "--json", f"{kind}:out.tar", cwd=project).json
    assert listed
    assert len(set(digests)) == SEVERAL
    succeed("copy", f"{kind}:out.tar", "oci:copied", cwd=project)
    assert len(read_layout(project / "copied")) >= 1
    assert leftovers(project) == []


def test_several_processes_push_to_a_server_while_others_build_into_its_layout(project: Path) -> None:
    digest = succeed("build", "-q", "-o", "oci:built", cwd=project).digest
    with serving(project / "out") as server:
        pushes = [("push", "-q", "-o", "oci:built", f"{server.host}/team/app:p{n}") for n in range(SEVERAL)]
        builds = [(*BUILD, "oci:out", "-t", f"b{n}") for n in range(2)]
        assert at_once(project, *pushes, *builds) == [digest] * (SEVERAL + 2)
        named = holdings(project / "out").names
        listed = succeed("ls", f"{server.host}/team/app", cwd=project).stdout.split()
    assert {tag for _, tag in named} == {"p0", "p1", "p2", "p3", "b0", "b1"}
    assert set(named.values()) == {digest}
    assert set(listed) >= {"p0", "p1", "p2", "p3"}
    assert leftovers(project) == []


@pytest.mark.parametrize("output", ["oci:out", "oci-archive:out.tar"])
def test_what_gets_its_name_is_on_the_disk_and_the_index_comes_last(project: Path, mortal: Mortal, output: str) -> None:
    """What a crash of the whole machine needs, which no test can have: each step is synced before the next relies on it."""
    done = mortal(
        Job(["build", "-q", "--platform", "linux/amd64", "-o", output, "--no-cache"], str(project))
    ).operations
    renames = [(n, each.paths) for n, each in enumerate(done) if each.event == "os.rename" and not is_passing(each)]
    durable = {}
    for number, (temporary, final) in renames:
        written = [n for n, each in enumerate(done) if each.event in ("write", "pwrite") and each.paths == (temporary,)]
        synced = [n for n, each in enumerate(done) if each == ("fsync", (temporary,))]
        assert written[-1] < synced[-1] < number, final
        directory = str(Path(final).parent)
        durable[final] = next(n for n, each in enumerate(done) if n > number and each == ("fsync", (directory,)))
    last, (_, final) = renames[-1]
    assert final == {"oci:out": "out/index.json", "oci-archive:out.tar": "out.tar"}[output]
    blobs = [path for path in durable if "/blobs/" in path]
    assert len(blobs) == {"oci:out": 5, "oci-archive:out.tar": 0}[output], "three layers, a config, a manifest"
    assert all(durable[blob] < last for blob in blobs)


def is_passing(operation: Operation) -> bool:
    """Whether it is on something that is gone when the run ends."""
    return any(".ocibuild-work-" in path for path in operation.paths)


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_on_the_way_to_an_archive_nothing_is_synced_but_the_archive(project: Path, mortal: Mortal, kind: str) -> None:
    build = ("build", "-q", "--platform", "linux/amd64", "--cache-dir", "cache", "-o", f"{kind}:out.tar")
    done = mortal(Job(build, str(project))).operations
    assert any(is_passing(each) for each in done), "there is a layout on the way"
    assert [Path(*each.paths).suffix for each in done if each.event == "fsync"] == [".tmp", ""], (
        "the file, its directory"
    )


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    require_root()
    place.mkdir()
    call("mount", "-t", "tmpfs", "-o", options, "tmpfs", place)
    try:
        yield place
    finally:
        call("umount", place)


def test_a_disk_that_is_read_only_is_named_and_can_be_read_from(project: Path, tmp_path: Path, mortal: Mortal) -> None:
    def run(*arguments: str) -> Run:
        return mortal(Job(arguments, str(project)))

    build = ("build", "-q", "--platform", "linux/amd64", "-o")
    with small_disk(tmp_path / "disk", "size=32m") as disk:
        digest = run(*build, f"oci:{disk}/out", "--no-cache").digest
        call("mount", "-o", "remount,ro", disk)
        for output in ("oci:{}/out", "oci:{}/new", "oci-archive:{}/new.tar", "docker-archive:{}/new.tar"):
            failed = run(*build, output.format(disk), "--label", "a=b")
            assert (failed.status, failed.stdout) == (3, "")
            assert "Read-only file system" in failed.stderr
            assert f"  at: {disk}" in failed.stderr
            assert "hint: that file system is read-only" in failed.stderr
        assert run("digest", f"oci:{disk}/out:1").stdout.strip().endswith(digest)
        assert run("copy", f"oci:{disk}/out:1", "oci:copied").status == 0
        # The cache is for speed: one that cannot be written is no reason to fail.
        assert run(*build, "oci:elsewhere", "--cache-dir", f"{disk}/cache").digest == digest


def test_a_server_whose_disk_is_full_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    large, small = random.Random(0).randbytes(3 << 20), b"small"
    with small_disk(tmp_path / "disk", "size=4m") as disk, serving(disk / "out") as server, Client(server) as client:
        (disk / "filler").write_bytes(bytes(2 << 20))
        refused = client("POST", f"/v2/app/blobs/uploads/?digest={digest_of(large)}", large)
        assert refused.status == 507
        assert "No space left on device" in refused.body.decode()
        assert leftovers(disk) == []
        client.push_blob(small)
        (disk / "filler").unlink()
        client.push_blob(large)
        assert holdings(disk / "out").blobs == {digest_of(blob).partition(":")[2] for blob in (large, small)}


def test_a_push_to_a_server_whose_disk_is_full_ends_at_once_and_says_why(project: Path, tmp_path: Path) -> None:
    """With 500 it was tried six times, for some 20 seconds."""
    succeed("build", "-q", "-o", "oci:built", cwd=project)
    with small_disk(tmp_path / "disk", "size=1m") as disk, serving(disk / "out") as server:
        (disk / "filler").write_bytes(bytes(700_000))
        failed = ocibuild("push", "-q", "-o", "oci:built", f"{server.host}/team/app:1", cwd=project)
        assert failed.status == 4
        assert "with status 507: cannot write: No space left on device\n" in failed.stderr
        assert "hint: the registry has no room left" in failed.stderr
        (disk / "filler").unlink()
        assert leftovers(disk) == []


def test_a_directory_of_somebody_else_is_named(project: Path, mortal: Mortal) -> None:
    require_root()
    # Not among pytest's directories, which it keeps closed to all but their owner.
    place = Path(f"/dev/shm/ocibuild-{os.getpid()}")
    shutil.copytree(project, place)
    try:
        (place / "out").mkdir(mode=0o755)
        for output in ("oci:out", "oci:out/new", "oci-archive:out/new.tar"):
            failed = mortal(Job(["build", "-q", "-o", output, "--no-cache"], str(place), user=12345))
            assert failed.status == 3, failed
            assert "Permission denied\n  at: out" in failed.stderr
            assert "hint: change the permissions there" in failed.stderr
        assert list((place / "out").iterdir()) == []
        assert mortal(Job(["build", "-q", "-o", "oci:out", "--no-cache"], str(place))).status == 0
        read = mortal(Job(["digest", "oci:out:1"], str(place), user=12345))
        assert read.status == 0, read
    finally:
        shutil.rmtree(place)


def test_a_cache_that_may_only_be_read_is_used(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        first = Layout.create(disk / "first")
        blob = first.put_bytes(b"layer", "application/vnd.oci.image.layer.v1.tar")
        LayerRecords(disk / "cache", first).remember("key", b"record", blob.digest)
        call("mount", "-o", "remount,ro", disk)
        cache = LayerRecords(disk / "cache", Layout.create(tmp_path / "second"))
        assert cache.recall("key") == b"record"
        assert cache.restore(blob)
        cache.remember("other", b"record", blob.digest)
        assert cache.recall("other") is None


@pytest.mark.parametrize("place", ["/dev/full/cache", "/proc/nowhere", "nowhere/\udcff"])
def test_a_cache_that_cannot_be_is_no_reason_to_fail(project: Path, mortal: Mortal, place: str) -> None:
    assert mortal(Job(["build", "-q", "-o", "oci:out", "--cache-dir", place], str(project))).status == 0
    assert read_layout(project / "out")


def test_an_output_that_is_full_is_an_error(project: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("build", "-q"), cwd=project, env=environment(project), stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "error: No space left on device\n  at: the standard output\n"


@pytest.mark.parametrize("limit", [256, 40, 16, 12])
def test_few_files_may_be_open_at_once(project: Path, mortal: Mortal, limit: int) -> None:
    """A limit that a build keeps to, or says that it cannot."""
    arguments = ["build", "-q", "-j", "8", "-o", "oci:out", "--no-cache"]
    run = mortal(Job(arguments, str(project), limits={"RLIMIT_NOFILE": limit}))
    assert run.status in ({0} if limit > 100 else {0, 3}), run
    if run.status == 0:
        assert read_layout(project / "out")
    else:
        assert "Too many open files" in run.stderr
        assert "Traceback" not in run.stderr


def test_a_quota_for_files_is_named(project: Path, mortal: Mortal) -> None:
    """A limit on the size of a file takes the way of a quota through the code, and needs no file system of its own."""
    arguments = ["build", "-q", "-o", "oci:out", "--no-cache"]
    run = mortal(Job(arguments, str(project), limits={"RLIMIT_FSIZE": 100_000}))
    assert run.status == 3
    assert "cannot write: File too large\n  at: " in run.stderr
    assert "out/blobs/sha256/" in run.stderr
    assert "hint: a file may not be that large there" in run.stderr
    assert leftovers(project) == []
    assert read_layout(project / "out") == []
