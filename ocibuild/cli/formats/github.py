"""Annotations of GitHub Actions. A step shows ten errors, ten warnings and ten notices: the rest is summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ocibuild.cli.formats import Waived
from ocibuild.findings import Finding, Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_SHOWN = 10  # of each command in a step; GitHub drops further ones without a word


def render(findings: Sequence[Finding], waived: Waived) -> str:
    """Errors first; where there are more of a kind than are shown, the last of it says how many more there are."""
    del waived
    return "".join(f"{line}\n" for severity in _COMMANDS for line in _lines(severity, findings))


def _lines(severity: Severity, findings: Sequence[Finding]) -> Iterator[str]:
    found = [finding for finding in findings if finding.severity is severity]
    shown = found if len(found) <= _SHOWN else found[: _SHOWN - 1]
    for finding in shown:
        yield _annotation(finding)
    rest = found[len(shown) :]
    if rest:
        counted = ", ".join(f"{rule} {count}x" for rule, count in Counter(one.rule for one in rest).most_common())
        command = _COMMANDS[severity]
        yield f"::{command} title=ocibuild::{escaped(f'and {len(rest)} more: {counted}')}"


def _annotation(finding: Finding) -> str:
    place, properties = finding.place, [("title", f"ocibuild {finding.rule}")]
    if place and place.line is not None:
        end = None if place.column is None else place.column + place.width - 1
        named = (("line", place.line), ("endLine", place.line), ("col", place.column), ("endColumn", end))
        numbers = [(name, str(number)) for name, number in named if number is not None]
        properties = [("file", place.file), *numbers, *properties]
    where = f"{place.file}: " if place and place.line is None else ""
    hint = f"\n{finding.hint}" if finding.hint else ""
    given = ",".join(f"{name}={escaped(value, is_property=True)}" for name, value in properties)
    return f"::{_COMMANDS[finding.severity]} {given}::{escaped(where + finding.message + hint)}"


def escaped(text: str, *, is_property: bool = False) -> str:
    """Text of a command, as the runner reads it back: whatever the text says, it stays in its place and begins no command."""
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(char, code)
    # The runner's log takes other line ends for such too.
    text = "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text.replace(":", "%3A").replace(",", "%2C") if is_property else text
