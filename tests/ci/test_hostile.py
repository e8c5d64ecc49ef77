"""A checkout that was made to mislead: by commits that git itself would not write, and by settings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ocibuild.ci.git import git_facts
from tests.ci.conftest import IDENTITY, Checkout


@pytest.mark.parametrize("seconds", ["99999999999999", "253402300800", "18446744073709551615", "-1", "x"])
def test_a_date_that_no_calendar_has_is_no_date(checkout: Checkout, seconds: str) -> None:
    tree, head = checkout("rev-parse", "HEAD^{tree}"), checkout("rev-parse", "HEAD")
    raw = f"tree {tree}\nparent {head}\nauthor a <a> {seconds} +0000\ncommitter a <a> {seconds} +0000\n\nm\n"
    words = ["git", "-C", str(checkout.directory), "hash-object", "-t", "commit", "-w", "--literally", "--stdin"]
    made = subprocess.run(
        words, input=raw, capture_output=True, text=True, check=True, env={**IDENTITY, "PATH": "/usr/bin:/bin"}
    )
    checkout("update-ref", "HEAD", made.stdout.strip())
    facts = git_facts(checkout.directory)
    assert facts["commit"] == made.stdout.strip()
    assert facts["commit_date"] in ("", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z")


def test_no_program_that_a_checkout_names_is_run_for_looking_at_it(checkout: Checkout, tmp_path: Path) -> None:
    spy, trace = tmp_path / "spy", tmp_path / "trace"
    spy.write_text(f"#!/bin/sh\necho run > {trace}\n")
    spy.chmod(0o755)
    checkout("config", "core.fsmonitor", str(spy))
    (checkout.directory / "tracked").write_text("changed")
    assert git_facts(checkout.directory)["dirty"] == "true"
    assert not trace.exists()
    checkout("status")
    assert trace.exists(), "git itself runs it"
