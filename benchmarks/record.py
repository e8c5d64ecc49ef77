"""A run of the benchmarks as a JSON document, and back."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measuring import Result, Results, Run
from benchmarks.peers import present

RESULTS = Path(__file__).with_name("results")
_VERSIONS = {
    "umoci": ("umoci", "--version"),
    "buildah": ("buildah", "--version"),
    "skopeo": ("skopeo", "--version"),
    "pigz": ("pigz", "--version"),
    "zstd": ("zstd", "--version"),
    "gzip": ("gzip", "--version"),
    "tar": ("tar", "--version"),
}


@dataclass(frozen=True, slots=True)
class Record:
    """Where and when it ran, what with, and the results by scenario."""

    facts: Mapping[str, str]
    scenarios: Mapping[str, Results]


def machine_facts() -> dict[str, str]:
    """What the figures depend on besides the code."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": f"{len(os.sched_getaffinity(0))} x {(names or [platform.machine()])[0]}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "deflate": version("deflate"),
        "zstandard": version("zstandard"),
        **{name: _first_line(command) for name, command in _VERSIONS.items() if present(name)},
    }


def load_average() -> str:
    """How many processes wanted a processor of late; at the start of a run it should be near 0."""
    return "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg())


def save(record: Record, path: Path) -> None:
    """Write a record."""
    scenarios = {
        name: {each.name: [asdict(run) for run in each.runs] for each in results.values()}
        for name, results in record.scenarios.items()
    }
    path.write_text(json.dumps({"facts": dict(record.facts), "scenarios": scenarios}, indent=1) + "\n")


def load(paths: Sequence[Path]) -> Record:
    """One record of several: of a scenario that more than one has, the last counts."""
    facts: dict[str, str] = {}
    scenarios: dict[str, Results] = {}
    for path in paths:
        document = json.loads(path.read_text())
        facts |= document["facts"]
        scenarios |= {name: _results(contenders) for name, contenders in document["scenarios"].items()}
    return Record(facts, scenarios)


def _results(contenders: Mapping[str, Sequence[Mapping[str, Any]]]) -> Results:
    return {name: Result(name, tuple(Run(**run) for run in runs)) for name, runs in contenders.items()}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _first_line(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [word.strip("v,*") for word in (done.stdout + done.stderr).split() if word.strip("v,*")[:1].isdigit()]
    return found[0] if found else "?"
