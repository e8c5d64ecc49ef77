"""`ocibuild lint` and `ocibuild rules`: exit codes, streams, and what they cost."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ocibuild import api
from tests.cli.conftest import Cli
from tests.cli.program import ROOT, TIMEOUT, command, environment, succeed, write_tree

GOOD = """\
apiVersion: ocibuild/v1
image: ghcr.io/octocat/app
tags: ["1.0", latest]
platforms: [linux/amd64, linux/arm64]
metadata: {source: https://github.com/octocat/app, description: An app, licenses: MIT, version: "1.0"}
labels: {com.example.team: blue}
config: {entrypoint: [/usr/local/bin/app], env: {LANG: C.UTF-8}, user: "65532:65532", ports: [8080]}
layers:
  - files:
      - {text: "#!/bin/sh\\n", to: /usr/local/bin/app, mode: "0755"}
      - {text: "{{ platform.arch }}", to: /etc/arch}
"""
WARNED = GOOD.replace("MIT", "mit")
BAD = GOOD.replace("https:", "ftp:")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (GOOD, [], 0),
        (WARNED, [], 0),
        (WARNED, ["--strict"], 1),
        (WARNED, ["--strict", "--ignore", "license-case"], 0),
        (WARNED, ["--strict", "--select", "placeholder,source-missing"], 0),
        (BAD, [], 1),
        (BAD, ["--exit-zero"], 0),
        (BAD, ["--strict", "--exit-zero", "--format", "json"], 0),
        (BAD, ["--format", "sarif"], 1),
        ("apiVersion: ocibuild/v1\nlables: {}\n", [], 1),
    ],
)
def test_the_exit_code_is_the_verdict(cli: Cli, text: str, options: list[str], status: int) -> None:
    write_tree(Path(), {"ocibuild.yaml": text})
    assert cli("lint", *options).status == status


def test_findings_are_data_and_the_count_is_for_people(cli: Cli) -> None:
    write_tree(Path(), {"ocibuild.yaml": WARNED, "Dockerfile": "FROM a\nLABEL a='\n", "b/Dockerfile": "FROM a\n"})
    done = cli("lint", "ocibuild.yaml", "Dockerfile")
    assert done.stdout.splitlines()[:4] == [
        "ocibuild.yaml:5:83: warning: the SPDX list spells 'mit' otherwise [license-case]",
        ' 5 | metadata: {source: https://github.com/octocat/app, description: An app, licenses: mit, version: "1.0"}',
        "   | " + " " * 82 + "^^^",
        "  hint: write MIT",
    ]
    assert done.stderr == "1 error and 2 warnings in 2 files\n"
    write_tree(Path(), {"good.yaml": GOOD})
    assert cli("lint", "good.yaml", "b/Dockerfile").stderr == "1 warning in 1 file (2 checked)\n"
    assert cli("lint", "Dockerfile", "--format", "json").json["findings"][1]["rule"] == "label-syntax"


def test_what_cannot_be_linted_is_a_usage_error(cli: Cli) -> None:
    assert cli("lint").status == 2
    assert cli("lint", "nowhere").status == 2
    write_tree(Path(), {"ocibuild.yaml": GOOD, "policy.yaml": "labels: []\n"})
    assert cli("lint", "--select", "nothing").status == 2
    assert cli("lint", "--profile", "nothing").status == 2
    assert cli("lint", "--policy", "policy.yaml").status == 2


def test_a_policy_file_is_applied(cli: Cli) -> None:
    write_tree(Path(), {"ocibuild.yaml": GOOD, "policy.yaml": "labels: {com.example.team: {enum: [green]}}\n"})
    done = cli("lint", "--policy", "policy.yaml")
    assert done.status == 1
    assert "`com.example.team` has to be one of green [policy-bad-value]" in done.stdout


def test_rules_are_listed_and_explained(cli: Cli) -> None:
    listed = cli("rules").stdout
    assert all(f"{rule.id} " in listed for rule in api.RULES)
    explained = cli("rules", "source-missing").stdout
    assert explained.startswith("source-missing (warning; of: labels)\n\nThe source is not named.\n")
    assert "Mend: " in explained
    assert [rule["id"] for rule in cli("rules", "--json").json["rules"]] == [rule.id for rule in api.RULES]
    assert cli("rules", "source-mising").status == 2
    assert cli("rules", "--profiles", "source-missing").status == 2
    limits = json.loads(cli("rules", "--profiles", "--json").stdout)["limits"]
    assert {"profile": "ghcr", "limit": "layer_size", "value": 10**10} in [
        {key: value for key, value in limit.items() if key != "source"} for limit in limits
    ]


def cpu_seconds(*arguments: str | Path, cwd: Path) -> float:
    """What a run costs, whatever else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    succeed(*arguments, cwd=cwd)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_small_spec_costs_little(tmp_path: Path) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": GOOD})
    cpu_seconds("lint", cwd=tmp_path)  # compiles what was not compiled
    assert min(cpu_seconds("lint", cwd=tmp_path) for _ in range(3)) < 0.35


def test_five_hundred_specs_take_seconds(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {f"app{number}/ocibuild.yaml": GOOD.replace("octocat/app", f"octocat/app{number}") for number in range(500)},
    )
    assert cpu_seconds("lint", ".", cwd=tmp_path) < 5


@pytest.mark.parametrize("package", ["httpx", "rich", "jinja2"])
def test_lint_does_not_pay_for(package: str, tmp_path: Path) -> None:
    plain = GOOD.replace("{{ platform.arch }}", "amd64")
    write_tree(tmp_path, {"ocibuild.yaml": plain, "Dockerfile": "FROM a\nLABEL a=b\n"})
    words = [sys.executable, "-X", "importtime", *command("lint", "ocibuild.yaml", "Dockerfile")[1:]]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "ocibuild" in imported
    assert package not in imported


def test_lint_needs_neither_git_nor_a_home(tmp_path: Path) -> None:
    templated = GOOD.replace("source: https://github.com/octocat/app", "source: 'https://{{ git.repository }}'")
    write_tree(tmp_path, {"ocibuild.yaml": templated, ".git/HEAD": ""})
    empty = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command("lint"), cwd=tmp_path, env=empty, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_file_without_end_of_findings_does_not_hide_the_others(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.ocibuild.yaml").write_text("apiVersion: ocibuild/v1\nlabels: {" + "a: 1, " * 5000 + "}\n")
    (tmp_path / "b.ocibuild.yaml").write_text("apiVersion: ocibuild/v1\nfromat: oci\n")
    done = cli("lint", tmp_path)
    assert done.status == 1
    assert "did you mean `format`?" in done.stderr + done.stdout
    assert (done.stderr + done.stdout).count("[spec-duplicate-key]") == 1000


def test_a_file_that_is_none_of_the_three_is_not_said_to_be_fine(cli: Cli, tmp_path: Path) -> None:
    write_tree(tmp_path, {"notes": "hello\n", "odd": "# x\nFROM scratch\n"})
    done = cli("lint", str(tmp_path / "notes"))
    assert (done.status, done.stdout) == (2, "")
    assert "is no spec, Dockerfile or workflow" in done.stderr
    assert cli("lint", "--exit-zero", str(tmp_path / "odd")).status == 0
