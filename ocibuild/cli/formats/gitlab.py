"""GitLab's code quality report: the artifact `codequality` of a job, whose findings stand beside the lines of a merge request."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ocibuild.cli.formats import Waived
from ocibuild.findings import Finding, Place, Severity

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.INFO: "info"}


def render(findings: Sequence[Finding], waived: Waived) -> str:
    """A list of all findings. What is not in a file stands on its first line, since the report has nothing else."""
    del waived
    seen: Counter[str] = Counter()
    return json.dumps([_entry(finding, seen) for finding in findings], indent=2) + "\n"


def _entry(finding: Finding, seen: Counter[str]) -> dict[str, Any]:
    place = finding.place or Place("ocibuild")
    path = place.file.removeprefix("./")
    # Lines move when others are written: a finding is the same as long as what it says is, and how often.
    identity = f"{finding.rule}\0{path}\0{finding.message}"
    seen[identity] += 1
    return {
        "description": f"{finding.message}{f' ({finding.hint})' if finding.hint else ''}",
        "check_name": finding.rule,
        "fingerprint": hashlib.sha256(f"{identity}\0{seen[identity]}".encode(errors="surrogatepass")).hexdigest(),
        "severity": _SEVERITIES[finding.severity],
        "location": {"path": path, "lines": {"begin": place.line or 1}},
    }
