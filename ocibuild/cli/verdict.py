"""What `lint` and `verify` end with: findings on stdout in the form that was asked for, a line for people, an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.formats import Waived, rendered
from ocibuild.cli.handover import summarise, wants_summary
from ocibuild.cli.messages import say
from ocibuild.errors import FindingsError
from ocibuild.findings import Finding, Severity


def selection(options: dict[str, Any]) -> api.Selection:
    """The rules that `--select` and `--ignore` leave."""
    return api.Selection(_ids(options["select"]), _ids(options["ignore"]))


def _ids(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(rule.strip() for text in texts for rule in text.split(",") if rule.strip())


def conclude(findings: Sequence[Finding], waived: Waived, subject: str, options: dict[str, Any]) -> int:
    """Show what was found in `subject`, and give the exit code: 1 for errors, and for warnings with `--strict`."""
    click.echo(rendered(options["form"], findings, waived), nl=False)
    if options["form"] == "text":
        say(f"{_counted(findings)} in {subject}{f', {len(waived)} waived' if waived else ''}")
    if findings and options["form"] == "github" and wants_summary():
        from ocibuild.cli.step_summary import findings_summary

        summarise(findings_summary(f"{_counted(findings)} in {subject}", findings))
    counts = (Severity.ERROR, Severity.WARNING) if options["strict"] else (Severity.ERROR,)
    is_bad = any(finding.severity in counts for finding in findings)
    return FindingsError.exit_code if is_bad and not options["exit_zero"] else 0


def _counted(findings: Iterable[Finding]) -> str:
    found = [finding.severity for finding in findings]
    parts = [(found.count(severity), severity.value) for severity in Severity]
    said = [f"{count} {name}{'s' if count > 1 else ''}" for count, name in parts if count]
    return " and ".join(said) or "no problems"
