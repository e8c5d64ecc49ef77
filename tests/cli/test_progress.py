"""Progress: lines in CI and in pipes, JSON lines for programs, bars on a terminal only, nothing when asked."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ocibuild.cli.progress import PlainLines
from ocibuild.events import Advanced, Finished, Noted, Stage, Started
from tests.cli.conftest import SPEC, Cli
from tests.cli.program import TIMEOUT, command, environment, write_tree
from tests.fake_registry import FakeRegistry

ESCAPE = "\x1b["


def test_a_pipe_gets_plain_lines(cli: Cli, project: Path) -> None:
    lines = cli("build", "-j", "1").stderr.splitlines()
    assert len(lines) == 2
    assert all(re.fullmatch(r"layer {4}app \(linux/a(md|rm)64\) +built  \d+B(  \d+\.\ds)?", line) for line in lines)


def test_githubs_log_folds_the_lines_and_shows_errors(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    first, *lines, last = cli("build").stderr.splitlines()
    assert (first, last) == ("::group::Layers, blobs and manifests", "::endgroup::")
    assert all(line.startswith("layer ") for line in lines)
    failed = cli("build", "--push", "-t", "127.0.0.1:9/team/app:1").stderr
    assert failed.index("::endgroup::") < failed.index("error: ")
    assert "::group::" not in cli("build", "--progress", "plain").stderr + cli("build", "-q").stderr


def test_githubs_warnings_are_annotations_that_say_no_more_than_they_should(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines: list[str] = []
    show = PlainLines(lines.append)
    show(Noted("50% of it\n::error::mine", warning=True))
    show(Noted("all is well\n::error::mine"))
    assert lines[0] == "::warning title=ocibuild::50%25 of it\\n::error::mine"
    assert lines[1].endswith("all is well\\n::error::mine")
    assert not lines[1].startswith("::")


def test_a_push_has_a_line_for_each_blob_manifest_and_tag(cli: Cli, built: str, fake_registry: FakeRegistry) -> None:
    lines = cli("push", f"{fake_registry.host}/team/app:1").stderr.splitlines()
    words = [line.split()[0] for line in lines]
    assert words == ["blob"] * 4 + ["manifest"] * 3 + ["tag"]
    assert sorted(line.partition(" sent ")[0].strip() for line in lines[:7]) == [
        "blob     app (linux/amd64)",
        "blob     app (linux/arm64)",
        "blob     config linux/amd64",
        "blob     config linux/arm64",
        "manifest index",
        "manifest linux/amd64",
        "manifest linux/arm64",
    ]
    assert all(" sent" in line or " tagged" in line for line in lines)


def test_json_lines_are_events_with_stable_keys(cli: Cli, project: Path) -> None:
    events = [json.loads(line) for line in cli("build", "--progress", "json").stderr.splitlines()]
    started = [event for event in events if event["event"] == "started"]
    finished = [event for event in events if event["event"] == "finished"]
    assert {frozenset(event) for event in started} == {frozenset({"event", "task", "stage", "subject", "total"})}
    assert {frozenset(event) for event in finished} == {frozenset({"event", "task", "outcome", "size"})}
    assert {event["task"] for event in started} == {event["task"] for event in finished}


@pytest.mark.parametrize("arguments", [["--quiet"], ["-q"], ["--progress", "quiet"]])
def test_quiet_shows_nothing(cli: Cli, project: Path, arguments: list[str]) -> None:
    assert cli("build", *arguments).stderr == ""


@pytest.mark.parametrize(
    ("env", "colour"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": ""}, False),
        ({"NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_those_who_want_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str], colour: bool
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    done = cli("digest", "X Y")
    assert (ESCAPE in done.stderr) is colour
    assert re.sub(r"\x1b\[[0-9;]*m", "", done.stderr).startswith("error: 'X Y' is not an image reference\n  hint: ")


def on_a_terminal(*arguments: str, cwd: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and all that a terminal of 80 columns is sent."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(cwd, {"TERM": "xterm-256color", "COLUMNS": "80", **env}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown, deadline = b"", time.monotonic() + TIMEOUT
    try:
        while time.monotonic() < deadline:
            if select.select([leader], [], [], 0.1)[0]:
                try:
                    shown += os.read(leader, 65536)
                except OSError:  # the other side is closed
                    break
        return process.wait(TIMEOUT), shown.decode()
    finally:
        os.close(leader)
        process.kill()
        process.wait()


def test_a_terminal_gets_bars_that_are_gone_at_the_end(tmp_path: Path) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": SPEC})
    status, shown = on_a_terminal("build", cwd=tmp_path, env={})
    assert status == 0
    assert "\x1b[?25l" in shown, "the cursor is hidden while bars are drawn"
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    last = [line for line in shown.splitlines() if line.strip()][-1]
    assert re.search(r"registry\.example/team/app@sha256:[0-9a-f]{64}$", last)


@pytest.mark.parametrize("env", [{"CI": "true"}, {"CI": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_nothing_is_drawn_over_in_ci_or_on_a_dumb_terminal(tmp_path: Path, env: Mapping[str, str]) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": SPEC})
    status, shown = on_a_terminal("build", cwd=tmp_path, env=env)
    assert status == 0
    assert not re.search(r"\x1b\[\??\d*[AKJlh]", shown)
    assert "layer    app" in shown


def test_a_long_task_shows_signs_of_life() -> None:
    now = 0.0
    lines: list[str] = []
    show = PlainLines(lines.append, heartbeat=10, clock=lambda: now)
    show(Started("t", Stage.SEND, "data", 4_000_000))
    for _ in range(25):
        now += 1
        show(Advanced("t", 100_000))
    show(Finished("t", "sent", 4_000_000))
    assert [line.split() for line in lines] == [
        ["blob", "data", "1MB", "of", "4MB", "10s"],
        ["blob", "data", "2MB", "of", "4MB", "20s"],
        ["blob", "data", "sent", "4MB", "25.0s"],
    ]


def test_what_events_say_cannot_act_on_the_terminal() -> None:
    lines: list[str] = []
    show = PlainLines(lines.append)
    show(Noted("be\x1b[31mware\x07", warning=True))
    show(Started("t", Stage.BUILD, "a\nb\u202e"))
    show(Finished("t", "built"))
    assert lines == ["warning: be\\x1b[31mware\\x07", "layer    a\\nb\\u202e" + " " * 14 + " built"]
