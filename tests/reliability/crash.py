"""Kills commands at random moments, and fills their disk, and checks what is left.

    python -m tests.reliability.crash --kills 250 --seed 1

After each kill an oracle reads the layout, and so does `ocibuild verify`: all that it names is whole, no name and no blob is
gone. Then the same command is run again, undisturbed: it must succeed, with the digest that a build without any past gives, and clear away what the killed
one left in the making. The moments are random but for their seed, which is printed: half of them are times, half numbers of
file operations, so that the short moments between two of these are met too. A run that ends before its kill does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tests.reliability.mortal import Job, Mortal, Run
from tests.reliability.promises import Holdings, check_nothing_lost

Scenario = Callable[["Rounds"], Iterator[bool]]
"""Round after round of the same; each says whether somebody was killed, or met a full disk. Ends when it is closed."""


class Rounds:
    """What the rounds of a scenario share: the seed, the runner, and a directory."""

    def __init__(self, seed: int, mortal: Mortal, directory: Path) -> None:
        self.seed, self.directory = seed, directory
        self.chance = random.Random(seed)
        self._mortal = mortal
        self._usual: dict[str, tuple[float, int]] = {}

    def run(self, *arguments: str, cwd: Path) -> Run:
        """An undisturbed run, which must succeed."""
        run = self._mortal(Job(arguments, str(cwd)))
        assert run.status == 0, (arguments, run)
        self._usual[arguments[0]] = (run.seconds, len(run.operations))
        return run

    def kill(self, *arguments: str, cwd: Path) -> Run:
        """The run, killed at some moment that is not later than what it usually takes; it may meet a full disk before."""
        seconds, operations = self._usual.get(arguments[0], (0.2, 100))
        if self.chance.random() < 0.5:
            job = Job(arguments, str(cwd), kill_after=self.chance.uniform(0, seconds))
        else:
            job = Job(arguments, str(cwd), kill_at=self.chance.randint(1, operations))
        run = self._mortal(job)
        moment = f"after {job.kill_after * 1000:.0f} ms" if job.kill_after else f"at operation {job.kill_at}"
        print(f"{arguments[0]} {moment}: {'killed' if run.was_killed else f'ended with {run.status}'}", flush=True)
        return run

    def let(self, *arguments: str, cwd: Path) -> Run:
        """The run, however it ends."""
        run = self._mortal(Job(arguments, str(cwd)))
        print(f"{arguments[0]}: ended with {run.status}", flush=True)
        return run

    def check(self, before: Holdings, layout: Path) -> Holdings:
        """What the layout holds now: all that it held before, and all of it whole."""
        after = check_nothing_lost(before, layout)
        if after.names:
            self.verify(f"oci:{layout}")
        return after

    def verify(self, image: str) -> None:
        """What `ocibuild` itself says of it."""
        verified = self._mortal(Job(("verify", "-q", image), str(self.directory)))
        assert verified.status == 0, verified


def crash(scenarios: dict[str, Scenario], kills: int, rounds: Rounds) -> Counter[str]:
    """`kills` in each scenario; how many there were, and how many rounds. AssertionError for the first broken promise."""
    happened: Counter[str] = Counter()
    for name, scenario in scenarios.items():
        with closing(scenario(rounds)) as each:  # type: ignore[type-var]  # all of them are generators
            while happened[name] < kills:
                happened[name] += next(each)
                happened[f"{name}: rounds"] += 1
    return happened


def main(arguments: Sequence[str] | None = None) -> None:
    from tests.reliability.scenarios import SCENARIOS

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=250, help="how many in all (default: 250)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; default: all")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    chosen = {name: SCENARIOS[name] for name in options.scenarios or SCENARIOS}
    if os.geteuid() != 0 and "full disk" in chosen:
        del chosen["full disk"]
        print("no disk is filled: only root can mount one", flush=True)
    since = time.monotonic()
    with Mortal() as mortal, tempfile.TemporaryDirectory(prefix="crash-") as directory:
        rounds = Rounds(options.seed, mortal, Path(directory))
        happened = crash(chosen, -(-options.kills // len(chosen)), rounds)
    kills = sum(happened[name] for name in chosen)
    figures = {"seed": options.seed, "seconds": round(time.monotonic() - since), "kills": kills, **happened}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
