"""Findings in the forms that people and other programs read. Each module has one function: findings -> text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from ocibuild import api
from ocibuild.findings import Finding

Waived = Sequence[tuple[Finding, api.Waiver]]
Format = Callable[[Sequence[Finding], Waived], str]

# Format -> the module that has its `render`: only the one that is asked for is imported.
FORMATS: Mapping[str, str] = {name: name for name in ("text", "json", "github", "gitlab", "sarif")}


def rendered(form: str, findings: Sequence[Finding], waived: Waived = ()) -> str:
    """`findings`, and those that waivers let pass, in one of `FORMATS`."""
    render: Format = import_module(f"ocibuild.cli.formats.{FORMATS[form]}").render
    return render(findings, waived)
