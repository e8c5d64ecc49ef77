"""A small imitation of GitHub's runner: jobs with a matrix and needs, steps that run or use an action, files for outputs.

What it does not know is an error, never passed over. The actions of others are stand-ins, given as functions.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.outputs import read_outputs
from tests.workflows.expressions import holds, insert

TIMEOUT = 240
_SHELLS = {None: ("bash", "-e"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}
_STEP_KEYS = {"name", "id", "if", "uses", "with", "run", "shell", "env", "working-directory"}
_JOB_KEYS = {
    "name",
    "runs-on",
    "needs",
    "if",
    "permissions",
    "strategy",
    "outputs",
    "steps",
    "env",
    "concurrency",
    "timeout-minutes",
}
# What an action of others does: gets the job and its inputs, gives its outputs.
StandIn = Callable[["Job", Mapping[str, str]], Mapping[str, str]]


@dataclass(slots=True)
class Job:
    """A job that runs, and what has come of it. `contexts` are those that hold for all of its steps."""

    workspace: Path
    temp: Path
    environ: dict[str, str]
    contexts: dict[str, Any]
    stand_ins: Mapping[str, StandIn]
    actions: Mapping[str, Path]
    path: list[str] = field(default_factory=list)
    log: str = ""
    summary: str = ""
    failed: bool = False
    outputs: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self, steps: list[dict[str, Any]], contexts: Mapping[str, Any], extra: Mapping[str, str]) -> dict[str, Any]:
        """Run steps, and give what each that has an id put out. `extra` is in the environment of all of them."""
        results: dict[str, Any] = {}
        for step in steps:
            assert step.keys() <= _STEP_KEYS, step
            here = {**contexts, "steps": results, "env": {**self.environ, **extra}}
            outputs: Mapping[str, str] = {}
            if holds(step.get("if"), here, failed=self.failed):
                self.log += f"\n##[group]{step.get('name', step.get('uses', step.get('run')))}\n"
                outputs = self._use(step, here, extra) if "uses" in step else self._script(step, here, extra)
            results[step.get("id", "")] = {"outputs": outputs}
        return results

    def _use(self, step: dict[str, Any], contexts: Mapping[str, Any], extra: Mapping[str, str]) -> Mapping[str, str]:
        name, _, version = step["uses"].partition("@")
        assert version or name.startswith("./"), f"{name} is not pinned"
        given = {key: insert(_as_input(value), contexts) for key, value in step.get("with", {}).items()}
        if name in self.stand_ins:
            return self.stand_ins[name](self, given)
        env = {**extra, **_filled(step.get("env", {}), contexts)}
        return self._composite(self.actions[name], given, contexts, env)

    def _composite(
        self, directory: Path, given: Mapping[str, str], contexts: Mapping[str, Any], extra: Mapping[str, str]
    ) -> Mapping[str, str]:
        action = yaml.safe_load((directory / "action.yml").read_text())
        assert action["runs"]["using"] == "composite"
        assert given.keys() <= action["inputs"].keys(), f"unknown inputs: {given.keys() - action['inputs'].keys()}"
        defaults = {
            name: insert(_as_input(about.get("default", "")), contexts) for name, about in action["inputs"].items()
        }
        # A step of an action sees its inputs and its own steps, and nothing of the job's: no matrix, no needs.
        inside = {name: contexts[name] for name in ("github", "runner")} | {"inputs": {**defaults, **given}}
        steps = self.run(action["runs"]["steps"], inside, {**extra, "GITHUB_ACTION_PATH": str(directory)})
        seen = {**inside, "steps": steps}
        return {name: insert(about["value"], seen) for name, about in action["outputs"].items()}

    def _script(self, step: dict[str, Any], contexts: Mapping[str, Any], extra: Mapping[str, str]) -> Mapping[str, str]:
        files = {name: self.temp / f"{name.lower()}-{next(self._numbers)}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH", "GITHUB_ENV")}  # fmt: skip
        script = self.temp / f"step-{next(self._numbers)}.sh"
        script.write_text(insert(step["run"], contexts))
        environ = {
            **self.environ,
            **extra,
            **_filled(step.get("env", {}), contexts),
            **{name: str(file) for name, file in files.items()},
        }
        environ["PATH"] = os.pathsep.join([*reversed(self.path), environ["PATH"]])
        done = subprocess.run(
            [*_SHELLS[step.get("shell")], str(script)],
            cwd=self.workspace / insert(step.get("working-directory", "."), contexts),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        self.log += done.stdout
        self.failed = self.failed or done.returncode != 0
        self.environ |= read_outputs(files["GITHUB_ENV"])
        self.path += files["GITHUB_PATH"].read_text().splitlines() if files["GITHUB_PATH"].exists() else []
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text() if files["GITHUB_STEP_SUMMARY"].exists() else ""
        return read_outputs(files["GITHUB_OUTPUT"])


def run_workflow(text: str, new_job: Callable[[str], Job]) -> dict[str, list[Job]]:
    """Run all jobs of a workflow, those of a matrix one after the other; the jobs by their names."""
    workflow = yaml.safe_load(text)
    done: dict[str, list[Job]] = {}
    needs: dict[str, Any] = {}
    waiting = dict(workflow["jobs"])
    while waiting:
        name = next(name for name, job in waiting.items() if set(_listed(job.get("needs"))) <= done.keys())
        description = waiting.pop(name)
        assert description.keys() <= _JOB_KEYS, description.keys() - _JOB_KEYS
        done[name] = []
        failed = any(job.failed for need in _listed(description.get("needs")) for job in done[need])
        for matrix in _combinations(description.get("strategy", {}).get("matrix", {})):
            job = new_job(name)
            contexts = {**job.contexts, "needs": needs, "matrix": matrix}
            if holds(description.get("if"), contexts, failed=failed):
                extra = _filled({**workflow.get("env", {}), **description.get("env", {})}, contexts)
                steps = job.run(description["steps"], contexts, extra)
                seen = {**contexts, "steps": steps}
                job.outputs = {key: insert(value, seen) for key, value in description.get("outputs", {}).items()}
                done[name].append(job)
        # Of a matrix, a later job's output replaces an earlier one's, but not by nothing.
        outputs = {key: value for job in done[name] for key, value in job.outputs.items() if value}
        needs[name] = {"outputs": outputs}
    return done


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _combinations(matrix: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    axes = {name: values for name, values in matrix.items() if name != "include"}
    assert not (axes and "include" in matrix), "an include that extends a matrix is not imitated"
    if "include" in matrix:
        yield from matrix["include"]
    else:
        yield from (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))


def _filled(env: Mapping[str, Any], contexts: Mapping[str, Any]) -> dict[str, str]:
    return {name: insert(_as_input(value), contexts) for name, value in env.items()}


def _as_input(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
