"""Kills builds, pushes, pulls and servers at random moments, and fills their disk, and checks what is left.

    python -m tests.reliability.crash --kills 200 --seed 1

After each kill the oracle reads the layout: all that it names is whole, no name and no blob is gone. Then the same command is
run again, undisturbed: it must succeed, with the digest that a build without any past gives. The moments are random but for
their seed, which is printed: half of them are times, half numbers of file operations, so that the short moments between two
of these are met too. A run that ends before its kill does not count.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import count, cycle
from pathlib import Path

from tests.peers.programs import call
from tests.reliability.mortal import ROOT, Death, Job, Mortal
from tests.reliability.projects import edit_project, write_project
from tests.reliability.promises import check_nothing_lost, holdings, leftovers
from tests.server.pictures import picture
from tests.server.support import Client

BUILD = ("build", "-q")


@dataclass
class Rounds:
    """What all scenarios share: the seed, the runner, a directory, and the count of what happened."""

    seed: int
    mortal: Mortal
    directory: Path
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._usual: dict[str, tuple[float, int]] = {}

    def run(self, *arguments: str, cwd: Path) -> Death:
        """An undisturbed run, which must succeed."""
        death = self.mortal(Job(arguments, str(cwd)))
        assert death.status == 0, (arguments, death)
        self._usual[arguments[0]] = (death.seconds, len(death.operations))
        return death

    def kill(self, *arguments: str, cwd: Path) -> Death:
        """The run, killed at some moment that is not later than what it usually takes."""
        seconds, operations = self._usual.get(arguments[0], (0.2, 100))
        by_time = self.chance.random() < 0.5
        after = self.chance.uniform(0, seconds) if by_time else None
        at = None if by_time else self.chance.randint(1, operations)
        death = self.mortal(Job(arguments, str(cwd), kill_after=after, kill_at=at))
        assert death.was_killed or death.status == 0, (arguments, death)
        moment = f"after {after * 1000:.0f} ms" if after is not None else f"at operation {at}"
        print(f"{arguments[0]} {moment}: {'killed' if death.was_killed else 'had ended'}", flush=True)
        return death


Scenario = Callable[[Rounds], Iterator[bool]]


def builds(rounds: Rounds) -> Iterator[bool]:
    """Builds into one layout with one cache, of sources that change from round to round."""
    project = write_project(rounds.directory / "builds")
    out = project / "out"
    command = (*BUILD, "-o", "oci:out", "--cache-dir", "cache")
    for number in count():
        edit_project(project, f"{rounds.seed}-{number}")
        before = holdings(out)
        death = rounds.kill(*command, cwd=project)
        check_nothing_lost(before, out)
        again = rounds.run(*command, cwd=project)
        after = check_nothing_lost(before, out)
        assert again.digest in after.names.values()
        assert again.digest == _without_a_past(rounds, project)
        yield death.was_killed


def _without_a_past(rounds: Rounds, project: Path) -> str:
    fresh = project / "fresh"
    digest = rounds.run("build", "-q", "-o", "oci:fresh", "--no-cache", cwd=project).digest
    shutil.rmtree(fresh)
    return digest


def archives(rounds: Rounds) -> Iterator[bool]:
    """Builds into archives: each is the old one or the new one, and never a part of either."""
    project = write_project(rounds.directory / "archives")
    for number, kind in zip(count(), cycle(("oci-archive", "docker-archive"))):
        edit_project(project, f"{rounds.seed}-{number}")
        command = (*BUILD, "--platform", "linux/amd64", "-o", f"{kind}:{kind}.tar", "--cache-dir", "cache")
        archive = project / f"{kind}.tar"
        before = archive.read_bytes() if archive.exists() else None
        death = rounds.kill(*command, cwd=project)
        found = archive.read_bytes() if archive.exists() else None
        rounds.run(*command, cwd=project)
        assert found in (before, archive.read_bytes()), f"{archive} was neither what it was nor what it is to be"
        yield death.was_killed


def pushes(rounds: Rounds) -> Iterator[bool]:
    """Pushes to a server that lives on, each to a repository that has nothing yet."""
    project = write_project(rounds.directory / "pushes")
    digest = rounds.run(*BUILD, "-o", "oci:out", "--no-cache", cwd=project).digest
    registry = project / "registry"
    with serving(registry) as server:
        for number in count():
            before = holdings(registry)
            command = ("push", "-q", "-o", "oci:out", f"{server.host}/team/app{number}:1")
            death = rounds.kill(*command, cwd=project)
            check_nothing_lost(before, registry)
            again = rounds.run(*command, cwd=project)
            assert again.digest == digest
            assert digest in check_nothing_lost(before, registry).names.values()
            yield death.was_killed


def pulls(rounds: Rounds) -> Iterator[bool]:
    """Pulls into a layout that is empty every second time, and has the image already otherwise."""
    project = write_project(rounds.directory / "pulls")
    digest = rounds.run(*BUILD, "-o", "oci:registry", "--no-cache", cwd=project).digest
    with serving(project / "registry") as server:
        for number in count():
            out = project / f"out{number // 2}"
            command = ("pull", "-q", "-o", f"oci:{out.name}", f"{server.host}/team/app:1")
            before = holdings(out)
            death = rounds.kill(*command, cwd=project)
            check_nothing_lost(before, out)
            assert rounds.run(*command, cwd=project).digest == digest
            assert digest in check_nothing_lost(before, out).names.values()
            yield death.was_killed


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
        after = check_nothing_lost(before, registry)
        assert set(acknowledged) <= {tag for _, tag in after.names}
        with serving(registry):
            assert leftovers(registry) == []
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
    """Builds on a disk with a random amount of space left; every third is killed there as well. Needs root."""
    project = write_project(rounds.directory / "sources")
    disk = rounds.directory / "disk"
    disk.mkdir()
    call("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk)
    try:
        yield from _on_a_small_disk(rounds, project, disk)
    finally:
        call("umount", disk)


def _on_a_small_disk(rounds: Rounds, project: Path, disk: Path) -> Iterator[bool]:
    out, filler = disk / "out", disk / "filler"
    command = (*BUILD, "-o", f"oci:{out}", "--cache-dir", str(disk / "cache"))
    for number in count():
        if number % 4 == 0:  # what earlier rounds left would fill the disk in earnest
            shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(disk / "cache", ignore_errors=True)
        edit_project(project, f"{rounds.seed}-{number}")
        before = holdings(out)
        room = rounds.chance.randrange(0, 6_000_000)
        filler.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - room)))
        kill_at = rounds.chance.randrange(1, 150) if number % 3 == 0 else None
        death = rounds.mortal(Job(command, str(project), kill_at=kill_at))
        assert death.was_killed or death.status in (0, 3), death
        if death.status == 3:
            assert "No space left on device" in death.stderr, death
            assert str(disk) in death.stderr, death
            assert "Traceback" not in death.stderr, death
        print(f"build with {room} bytes left: {death.status}", flush=True)
        check_nothing_lost(before, out)
        filler.unlink()
        digest = rounds.run(*command, cwd=project).digest
        assert digest in check_nothing_lost(before, out).names.values()
        assert digest == _without_a_past(rounds, project)
        yield death.status != 0


SCENARIOS: dict[str, Scenario] = {
    "build": builds,
    "archive": archives,
    "push": pushes,
    "pull": pulls,
    "serve": servers,
    "full disk": full_disks,
}


@dataclass
class Server:
    """A running `ocibuild serve`."""

    process: subprocess.Popen[str]
    url: str

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@contextmanager
def serving(layout: Path) -> Iterator[Server]:
    """A server over a layout, in a process of its own."""
    words = [sys.executable, "-m", "ocibuild", "serve", "--port", "0", str(layout)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            url = process.stdout.readline().strip()
            assert url, "the server did not start"
            yield Server(process, url)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def crash(names: Sequence[str], kills: int, seed: int, directory: Path) -> Counter[str]:
    """`kills` of each scenario that is named; how many there were. AssertionError for the first promise that is broken."""
    with Mortal() as mortal:
        rounds = Rounds(seed, mortal, directory)
        for name in names:
            scenario = SCENARIOS[name](rounds)
            while rounds.happened[name] < kills:
                rounds.happened[name] += next(scenario)
                rounds.happened[f"{name}: runs"] += 1
            scenario.close()  # type: ignore[attr-defined]
    return rounds.happened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="how many in all")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; default: all")
    options = parser.parse_args()
    names = options.scenarios or list(SCENARIOS)
    print(f"seed {options.seed}", flush=True)
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-") as directory:
        happened = crash(names, -(-options.kills // len(names)), options.seed, Path(directory))
    figures = {"seed": options.seed, "seconds": round(time.monotonic() - since), **happened}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
