"""`python -m benchmarks`: runs scenarios, prints their tables, saves the figures, and with --report writes docs/performance.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.corpora import CONTEXT
from benchmarks.measuring import ContenderError, Race, race
from benchmarks.record import RESULTS, Record, load_average, machine_facts, save
from benchmarks.report import scenario_text, write_report
from benchmarks.scenario import Scenario, Setting
from benchmarks.scenarios import SCENARIOS
from tests.peers.programs import ProgramError

ROUNDS, QUICK_ROUNDS = 3, 1


def main() -> int:
    """Run what the command line asks for; 1 if something failed, which keeps nothing else from running."""
    options = _options()
    chosen = [each for each in SCENARIOS if each.name in options.only] if options.only else SCENARIOS
    facts = {**machine_facts(), "date": time.strftime("%Y-%m-%d %H:%M"), "load at the start": load_average()}
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    record = Record(facts, {})
    failures: dict[str, str] = {}
    for scenario in chosen:
        began = time.monotonic()
        print(f"\n{scenario.title} ({scenario.name})\n", flush=True)
        try:
            run = _run(scenario, options.runs, quick=options.quick)
        except (ContenderError, OSError, ProgramError, pytest.skip.Exception) as error:
            failures[scenario.name] = str(error)
            print(f"failed: {error}", file=sys.stderr)
            continue
        failures |= run.failures
        print(f"{scenario_text(scenario, run.results)}\n{time.monotonic() - began:.0f} s in all", flush=True)
        # After each one, so that a run that is broken off has not been in vain.
        record = Record({**facts, "load at the end": load_average()}, {**record.scenarios, scenario.name: run.results})
        save(record, path)
        if options.report:
            write_report(record)
    print(f"\nfigures: {path}")
    for name, failure in failures.items():
        print(f"{name} failed: {failure}", file=sys.stderr)
    return int(bool(failures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [each.name for each in SCENARIOS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--runs", type=int, help=f"rounds of each scenario (default {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="one round, smaller files, no slow peers")
    parser.add_argument("--report", action="store_true", help="write docs/performance.md and its plots")
    options = parser.parse_args()
    options.runs = options.runs or (QUICK_ROUNDS if options.quick else ROUNDS)
    return options


def _run(scenario: Scenario, runs: int, *, quick: bool) -> Race:
    rounds = max(1, round(runs * scenario.rounds))
    CONTEXT.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-", dir=CONTEXT)))
        contenders = scenario.contenders(Setting(scratch, stack, quick))
        return race(contenders, rounds, scratch, lambda line: print(line, file=sys.stderr, flush=True))


if __name__ == "__main__":
    sys.exit(main())
