"""A small imitation of GitLab's pipelines: includes with inputs, rules, variables, scripts, artifacts and dotenv reports."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.outputs import read_dotenv

TIMEOUT = 240
_KEYWORDS = {"include", "stages", "workflow", "variables", "default"}
_JOB_KEYS = {"stage", "image", "variables", "script", "artifacts", "rules", "needs", "extends", "parallel", "resource_group", "environment"}  # fmt: skip
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
Variables = Mapping[str, str]
# Makes the directory that a job begins with, a fresh checkout, and says what is in its environment besides variables.
Prepare = Callable[[Path], Variables]


@dataclass(slots=True)
class Job:
    """A job that has run."""

    name: str
    directory: Path
    log: str = ""
    failed: bool = False
    reports: dict[str, Path] = field(default_factory=dict)


def load(text: str, includes: Mapping[str, Path]) -> dict[str, Any]:
    """A configuration with what it includes filled in below its own keys."""
    own = yaml.safe_load(text)
    merged: dict[str, Any] = {}
    for include in own.pop("include", []):
        merged = _over(merged, interpolated(includes[include["remote"]].read_text(), include.get("inputs", {})))
    return _over(merged, own)


def interpolated(template: str, given: Mapping[str, str]) -> dict[str, Any]:
    """A template with its inputs in place."""
    header, body = template.split("\n---\n")
    inputs = yaml.safe_load(header)["spec"]["inputs"]
    assert given.keys() <= inputs.keys()
    values = {name: str(about["default"]) for name, about in inputs.items()} | dict(given)
    content = yaml.safe_load(re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: values[match[1]], body))
    assert isinstance(content, dict)
    return content


def run_pipeline(config: Mapping[str, Any], variables: Variables, place: Path, prepare: Prepare) -> dict[str, Job]:
    """Run the jobs of all stages in order, each in a checkout of its own, until one fails."""
    jobs: dict[str, Job] = {}
    handed: dict[str, str] = {}
    for stage in config.get("stages", ["build", "test", "deploy"]):
        before, reported = list(jobs.values()), dict(handed)
        for name, description in _jobs_of(config, stage):
            chosen = _by_rules(description, {**variables, **config.get("variables", {})})
            if chosen is None or any(job.failed for job in before):
                continue
            job = Job(name, place / f"job-{len(jobs)}")
            given = {
                **config.get("variables", {}),
                **description.get("variables", {}),
                **chosen,
                **reported,
                **variables,
            }
            outside = prepare(job.directory)
            for earlier in before:
                _take_artifacts(earlier, config[earlier.name.partition(":")[0]], job)
            _run(job, description, {**outside, **_expanded(given)})
            jobs[name] = job
            if "dotenv" in job.reports:
                handed |= read_dotenv(job.reports["dotenv"])
    return jobs


def _jobs_of(config: Mapping[str, Any], stage: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, job in config.items():
        if name in _KEYWORDS or name.startswith("."):
            continue
        description = _over(config.get(job.get("extends", ""), {}), job)
        assert description.keys() <= _JOB_KEYS, description.keys() - _JOB_KEYS
        if description.get("stage", "test") == stage:
            found += _parallel(name, description)
    return found


def _parallel(name: str, job: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if "parallel" not in job:
        return [(name, job)]
    (axes,) = job["parallel"]["matrix"]
    ((axis, values),) = axes.items()
    return [(f"{name}: [{value}]", _over(job, {"variables": {axis: value}})) for value in values]


def _by_rules(job: Mapping[str, Any], variables: Variables) -> Variables | None:
    """The variables that the first rule that holds adds; None for a job that is not to run."""
    if "rules" not in job:
        return {}
    for rule in job["rules"]:
        if "if" not in rule or any(_holds(part, variables) for part in rule["if"].split("||")):
            chosen: Variables = rule.get("variables", {})
            return None if rule.get("when") == "never" else chosen
    return None


def _holds(condition: str, variables: Variables) -> bool:
    left, equals, right = condition.partition("==")
    values = [variables.get(side.strip().removeprefix("$"), "") if side.strip().startswith("$") else side.strip().strip("\"'") for side in (left, right)]  # fmt: skip
    return values[0] == values[1] if equals else bool(values[0])


def _expanded(variables: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: str(value) for name, value in variables.items()}
    return {
        name: _VARIABLE.sub(lambda match: texts.get(match[1] or match[2], ""), text) for name, text in texts.items()
    }


def _run(job: Job, description: Mapping[str, Any], environ: Variables) -> None:
    script = "\n".join(["set -eo pipefail", *description["script"]])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=job.directory,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    job.log, job.failed = done.stdout, done.returncode != 0
    reports = description.get("artifacts", {}).get("reports", {})
    job.reports = {name: job.directory / path for name, path in reports.items() if (job.directory / path).exists()}


def _take_artifacts(earlier: Job, description: Mapping[str, Any], job: Job) -> None:
    for path in description.get("artifacts", {}).get("paths", []):
        for found in earlier.directory.glob(path.rstrip("/")):
            target = job.directory / found.relative_to(earlier.directory)
            if found.is_dir():
                shutil.copytree(found, target, dirs_exist_ok=True)
            else:
                shutil.copy(found, target)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Maps merged, everything else replaced, as GitLab merges what is included."""
    merged = dict(below)
    for key, value in above.items():
        merged[key] = (
            _over(merged[key], value) if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
        )
    return merged
