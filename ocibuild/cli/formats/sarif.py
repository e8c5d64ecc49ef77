"""SARIF 2.1.0 (OASIS), for code scanning services and editors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from ocibuild import __version__, api
from ocibuild.cli.formats import Waived
from ocibuild.findings import Finding, Place, Severity

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def render(findings: Sequence[Finding], waived: Waived) -> str:
    """One run with all findings; what was let pass is there as a suppressed result, with the reason."""
    results = [*(_result(finding) for finding in findings), *(_suppressed(*pair) for pair in waived)]
    ids = list(dict.fromkeys(result["ruleId"] for result in results))
    for result in results:
        result["ruleIndex"] = ids.index(result["ruleId"])
    driver = {"name": "ocibuild", "semanticVersion": __version__, "rules": list(_rules(ids))}
    # Columns are counted in characters, as in every message of ours.
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rules(ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What is known of each rule; of a complaint about the form of a spec, only its id."""
    known = {rule.id: rule for rule in api.RULES}
    for name in ids:
        rule = known.get(name)
        if rule is None:
            yield {"id": name}
            continue
        yield {
            "id": name,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.explanation.partition("\n\n")[0]},
            "help": {"text": rule.explanation},
            "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        }


def _result(finding: Finding) -> dict[str, Any]:
    text = f"{finding.message}\n{finding.hint}" if finding.hint else finding.message
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
    }
    if finding.place:
        result["locations"] = [_location(finding.place)]
    return result


def _suppressed(finding: Finding, waiver: api.Waiver) -> dict[str, Any]:
    suppression = {"kind": "inSource", "status": "accepted", "justification": waiver.reason}
    return {**_result(finding), "suppressions": [suppression]}


def _location(place: Place) -> dict[str, Any]:
    if place.line is None:  # an image has a name, and no lines
        return {"logicalLocations": [{"fullyQualifiedName": place.file, "kind": "module"}]}
    region: dict[str, Any] = {"startLine": place.line}
    if place.column is not None:
        region |= {"startColumn": place.column, "endLine": place.line, "endColumn": place.column + place.width}
    if place.excerpt is not None:
        region["snippet"] = {"text": place.excerpt}
    uri = quote(os.fsencode(place.file.removeprefix("./")))  # names of files are bytes
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
