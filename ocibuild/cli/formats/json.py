"""One JSON document with stable keys, for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ocibuild.cli.formats import Waived
from ocibuild.findings import Finding


def render(findings: Sequence[Finding], waived: Waived) -> str:
    """All findings in order; what was let pass stands apart, each with its reason."""
    document = {
        "schemaVersion": 1,
        "findings": [_as_json(finding) for finding in findings],
        "waived": [{**_as_json(finding), "reason": waiver.reason} for finding, waiver in waived],
    }
    return json.dumps(document, indent=2) + "\n"


def _as_json(finding: Finding) -> dict[str, Any]:
    place = finding.place
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
