"""What is killed, and what has to hold afterwards: one generator a command. See `crash`."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPException
from itertools import count, cycle
from pathlib import Path

from tests.peers.programs import call
from tests.reliability.crash import Rounds, Scenario
from tests.reliability.mortal import Job, Mortal, Run
from tests.reliability.projects import edit_project, write_project
from tests.reliability.promises import check_tidy, holdings
from tests.reliability.serving import Server, serving
from tests.server.pictures import picture
from tests.server.support import Client

BUILD = ("build", "-q", "--cache-dir", "cache", "-o")


def builds(rounds: Rounds) -> Iterator[bool]:
    """Builds into one layout with one cache, of sources that change from round to round."""
    project = write_project(rounds.directory / "builds")
    for number in count():
        edit_project(project, f"{rounds.seed}-{number}")
        yield _build_twice(rounds, project).was_killed


def caches(rounds: Rounds) -> Iterator[bool]:
    """The cache is emptied, the emptying is killed, and so is the build that uses what is left."""
    project = write_project(rounds.directory / "caches")
    rounds.run(*BUILD, "oci:out", cwd=project)
    rounds.run("cache", "prune", "--cache-dir", "cache", "--max-size", "1MB", cwd=project)
    for number in count():
        size = f"{rounds.chance.randrange(4000)}kB"
        pruned = rounds.kill("cache", "prune", "--cache-dir", "cache", "--max-size", size, cwd=project)
        if number % 2:
            edit_project(project, f"{rounds.seed}-{number}")
        built = _build_twice(rounds, project, f"out{number // 8}")
        yield pruned.was_killed or built.was_killed


def _build_twice(rounds: Rounds, project: Path, name: str = "out") -> Run:
    """A build that is killed, and the same one undisturbed."""
    out, command = project / name, (*BUILD, f"oci:{name}")
    before = holdings(out)
    killed = rounds.kill(*command, cwd=project)
    assert killed.was_killed or killed.status == 0, killed
    rounds.check(before, out)
    again = rounds.run(*command, cwd=project)
    assert again.digest in rounds.check(before, out).names.values()
    assert again.digest == _without_a_past(rounds, project)
    check_tidy(project)
    return killed


def _without_a_past(rounds: Rounds, project: Path) -> str:
    digest = rounds.run("build", "-q", "-o", "oci:fresh", "--no-cache", cwd=project).digest
    shutil.rmtree(project / "fresh")
    return digest


def crowds(rounds: Rounds) -> Iterator[bool]:
    """A build is killed while another one, into the same layout and with the same cache, goes on undisturbed."""
    project = write_project(rounds.directory / "crowds")
    out = project / "out"
    with Mortal() as other, ThreadPoolExecutor() as threads:
        for number in count():
            edit_project(project, f"{rounds.seed}-{number}")
            before = holdings(out)
            neighbour = threads.submit(other, Job((*BUILD, "oci:out", "-t", "neighbour"), str(project)))
            killed = rounds.kill(*BUILD, "oci:out", cwd=project)
            done = neighbour.result()
            assert done.status == 0, done
            after = rounds.check(before, out)
            assert {digest for (_, tag), digest in after.names.items() if tag == "neighbour"} == {done.digest}
            assert done.digest == _without_a_past(rounds, project)
            assert rounds.run(*BUILD, "oci:out", cwd=project).digest == done.digest
            check_tidy(out)
            yield killed.was_killed


def archives(rounds: Rounds) -> Iterator[bool]:
    """Builds into archives: each is the old one or the new one, and never a part of either."""
    project = write_project(rounds.directory / "archives")
    for number, kind in zip(count(), cycle(("oci-archive", "docker-archive")), strict=False):
        edit_project(project, f"{rounds.seed}-{number}")
        command = (*BUILD, f"{kind}:{kind}.tar", "--platform", "linux/amd64")
        archive = project / f"{kind}.tar"
        before = archive.read_bytes() if archive.exists() else None
        killed = rounds.kill(*command, cwd=project)
        found = archive.read_bytes() if archive.exists() else None
        rounds.run(*command, cwd=project)
        rounds.verify(f"{kind}:{archive}")
        assert found in (before, archive.read_bytes()), f"{archive} was neither what it was nor what it is to be"
        check_tidy(project)
        yield killed.was_killed


def copies(rounds: Rounds) -> Iterator[bool]:
    """Copies of an image into a layout that is empty every second time, and has the image already otherwise."""
    project = write_project(rounds.directory / "copies")
    digest = rounds.run(*BUILD, "oci:source", cwd=project).digest
    for number in count():
        out = project / f"out{number // 2}"
        command = ("copy", "-q", "oci:source:1", f"oci:{out.name}:1")
        before = holdings(out)
        killed = rounds.kill(*command, cwd=project)
        rounds.check(before, out)
        rounds.run(*command, cwd=project)
        assert digest in rounds.check(before, out).names.values()
        check_tidy(out)
        yield killed.was_killed


def pushes(rounds: Rounds) -> Iterator[bool]:
    """Pushes to a server that lives on, each to a repository that has nothing yet."""
    project = write_project(rounds.directory / "pushes")
    digest = rounds.run(*BUILD, "oci:out", cwd=project).digest
    registry = project / "registry"
    with serving(registry) as server:
        for number in count():
            before = holdings(registry)
            command = ("push", "-q", "-o", "oci:out", f"{server.host}/team/app{number}:1")
            killed = rounds.kill(*command, cwd=project)
            rounds.check(before, registry)
            assert rounds.run(*command, cwd=project).digest == digest
            assert digest in rounds.check(before, registry).names.values()
            yield killed.was_killed


def pulls(rounds: Rounds) -> Iterator[bool]:
    """Pulls into a layout that is empty every second time, and has the image already otherwise."""
    project = write_project(rounds.directory / "pulls")
    digest = rounds.run(*BUILD, "oci:registry", cwd=project).digest
    with serving(project / "registry") as server:
        for number in count():
            out = project / f"out{number // 2}"
            command = ("pull", "-q", "-o", f"oci:{out.name}", f"{server.host}/team/app:1")
            before = holdings(out)
            killed = rounds.kill(*command, cwd=project)
            rounds.check(before, out)
            assert rounds.run(*command, cwd=project).digest == digest
            assert digest in rounds.check(before, out).names.values()
            check_tidy(out)
            yield killed.was_killed


def servers(rounds: Rounds) -> Iterator[bool]:
    """Servers that are killed while three clients push: what was acknowledged is there, and the next one starts."""
    registry = rounds.directory / "servers"
    acknowledged: list[str] = []
    for number in count():
        before = holdings(registry)
        with serving(registry) as server, ExitStack() as stack:
            for client in range(3):
                name = f"{rounds.seed}-{number}-{client}"
                pusher = threading.Thread(target=_push_until_it_dies, args=(server, name, acknowledged))
                pusher.start()
                stack.callback(pusher.join)
            delay = rounds.chance.uniform(0, 0.4)
            with suppress(subprocess.TimeoutExpired):
                server.process.wait(delay)
            server.process.kill()
            print(f"serve after {delay * 1000:.0f} ms: killed, {len(acknowledged)} pushes acknowledged", flush=True)
        after = rounds.check(before, registry)
        assert set(acknowledged) <= {tag for _, tag in after.names}
        with serving(registry):
            check_tidy(registry)
        yield True


def _push_until_it_dies(server: Server, name: str, acknowledged: list[str]) -> None:
    with suppress(OSError, HTTPException), Client(server) as client:
        for number in range(1000):
            parts = picture(tag := f"{name}-{number}", random.Random(tag).randbytes(200_000))
            for blob in parts.blobs:
                client.push_blob(blob)
            client.push_manifest(parts.manifest, tag)
            acknowledged.append(tag)


def full_disks(rounds: Rounds) -> Iterator[bool]:
    """Builds and copies on a disk with a random amount of space left; every third is killed there as well. Needs root."""
    project = write_project(rounds.directory / "sources")
    disk = rounds.directory / "disk"
    disk.mkdir()
    call("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk)
    try:
        yield from _on_a_small_disk(rounds, project, disk)
    finally:
        call("umount", disk)


def _on_a_small_disk(rounds: Rounds, project: Path, disk: Path) -> Iterator[bool]:
    out, filler = disk / "out", disk / "filler"
    build = ("build", "-q", "--cache-dir", str(disk / "cache"), "-o", f"oci:{out}")
    copy = ("copy", "-q", "oci:source:1", f"oci:{out}:1")
    for number, command in zip(count(), cycle((build, copy)), strict=False):
        if shutil.disk_usage(disk).free < 8_000_000:  # images that were finished
            shutil.rmtree(out)
            shutil.rmtree(disk / "cache", ignore_errors=True)
        edit_project(project, f"{rounds.seed}-{number}")
        digest = rounds.run("build", "-q", "-o", "oci:source", "--no-cache", cwd=project).digest
        before = holdings(out)
        room = rounds.chance.randrange(0, 6_000_000)
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - room))
        print(f"{room} bytes are left: ", end="")
        met = (rounds.let if number % 3 else rounds.kill)(*command, cwd=project)
        _check_full(met, disk)
        rounds.check(before, out)
        filler.unlink()
        rounds.run(*command, cwd=project)
        assert digest in rounds.check(before, out).names.values()
        check_tidy(out)
        yield met.status != 0


def _check_full(run: Run, disk: Path) -> None:
    assert run.was_killed or run.status in (0, 3), run
    if run.status == 3:
        assert "No space left on device" in run.stderr, run
        assert str(disk) in run.stderr, run
        assert "Traceback" not in run.stderr, run


SCENARIOS: dict[str, Scenario] = {
    "build": builds,
    "cache": caches,
    "crowd": crowds,
    "archive": archives,
    "copy": copies,
    "push": pushes,
    "pull": pulls,
    "serve": servers,
    "full disk": full_disks,
}
