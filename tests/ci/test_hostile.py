"""A checkout whose commits were made to mislead: git itself would not write them, and takes them all the same."""

from __future__ import annotations

import subprocess

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
