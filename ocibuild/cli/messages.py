"""Errors and findings as people read them: what, where, how to mend it. On stderr, one line each."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable

import click

from ocibuild.cli.terminal import paint
from ocibuild.errors import FindingsError, OcibuildError
from ocibuild.findings import Finding, Severity

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)


def show_error(error: OcibuildError, *, debug: bool) -> None:
    """An error that was expected."""
    if isinstance(error, FindingsError):
        for finding in error.findings:
            show_finding(finding)
    say(f"{paint('error:', 'red', bold=True)} {_one_line(error.what)}")
    if error.where:
        say(f"  {paint('at:', 'cyan')} {_one_line(error.where)}")
    if error.hint:
        say(f"  {paint('hint:', 'green')} {_one_line(error.hint)}")
    if debug:
        traceback.print_exception(error)


def show_usage_error(error: click.ClickException) -> None:
    """A command line that click could not read."""
    say(f"{paint('error:', 'red', bold=True)} {error.format_message()}")
    context = getattr(error, "ctx", None)
    if context is not None:
        say(f"  {paint('hint:', 'green')} {context.command_path} --help")


def show_internal_error(error: Exception, *, debug: bool) -> None:
    """An error that nobody expected: a fault of ours."""
    say(f"{paint('error:', 'red', bold=True)} internal error: {type(error).__name__}: {_one_line(str(error))}")
    if debug:
        traceback.print_exception(error)
    else:
        say(
            f"  {paint('hint:', 'green')} this is a bug; run it again with `ocibuild --debug ...` and report what it prints"
        )


def show_findings(findings: Iterable[Finding]) -> None:
    """All of them, in order."""
    for finding in findings:
        show_finding(finding)


def show_finding(finding: Finding) -> None:
    """One finding: place, message and rule; the source line with a caret; the hint."""
    place = f"{finding.place}: " if finding.place else ""
    label = paint(f"{finding.severity.value}:", _COLOURS[finding.severity], bold=True)
    say(
        f"{_one_line(place)}{' ' if place else ''}{label} {_one_line(finding.message)} [{finding.rule}]".replace(
            "  ", " "
        )
    )
    if finding.place and finding.place.excerpt is not None and finding.place.line is not None:
        _show_excerpt(finding)
    if finding.hint:
        say(f"  {paint('hint:', 'green')} {_one_line(finding.hint)}")


def _show_excerpt(finding: Finding) -> None:
    place = finding.place
    assert place is not None
    number = str(place.line)
    text = printable((place.excerpt or "").replace("\t", " "))
    say(f" {number} | {text}")
    if place.column is not None:
        caret = "^" * max(1, min(place.width, len(text) - place.column + 1))
        say(f" {' ' * len(number)} | {' ' * (place.column - 1)}{paint(caret, _COLOURS[finding.severity])}")


def _one_line(text: str) -> str:
    return printable(" ".join(text.split("\n")))


def printable(text: str) -> str:
    """`text` without characters that a terminal would act on: what registries and annotations say is not trusted."""
    return "".join(
        char if char.isprintable() or char == " " else char.encode("unicode_escape").decode() for char in text
    )
