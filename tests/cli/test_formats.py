"""Findings as other programs read them: whatever they say, they stay in their place."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema.validators import Draft7Validator

from ocibuild import api
from ocibuild.cli.formats import FORMATS, rendered
from ocibuild.findings import Finding, Place, Severity
from tests.cli.sarif import SARIF

HOSTILE = "100% ::error file=x::pwned\n::add-mask::a\r\n::set-output name=a::b%0A,c:d\u2028e\x1b[31m"
PLACE = Place("a b/ocibuild.yaml", 3, 5, "    licenses: mit", 3)
FINDING = Finding("license-case", "spelt otherwise", PLACE, "write MIT", Severity.WARNING)
ON_IMAGE = Finding("layer-too-large", "too large", Place("ghcr.io/octocat/hello"), None)
WAIVER = api.Waiver("license-case", "for tests", PLACE, date(2030, 1, 1))
texts = st.text(st.characters(), min_size=1)  # with the halves of characters that JSON can name
files = st.text(min_size=1) | st.binary(min_size=1).map(os.fsdecode)
findings = st.lists(
    st.builds(
        Finding,
        st.sampled_from(["license-case", "spec-unknown-key"]),
        texts,
        st.none() | st.builds(Place, files, st.none() | st.integers(1), st.none() | st.integers(1), st.none() | texts),
        st.none() | texts,
        st.sampled_from(Severity),
    )
)


def read_annotations(text: str) -> list[tuple[str, dict[str, str], str]]:
    """What the runner of GitHub Actions understands: command, properties, message."""
    read = []
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+)(?: ([^:]*))?::(.*)", line)
        assert match is not None, line
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        unescaped = {key: _unescape(value, {"%3A": ":", "%2C": ","}) for key, value in properties.items()}
        read.append((match[1], unescaped, _unescape(match[3], {})))
    return read


def _unescape(text: str, more: dict[str, str]) -> str:
    codes = {"%25": "%", "%0D": "\r", "%0A": "\n", **more}
    return re.sub("%25|%0D|%0A|%3A|%2C", lambda found: codes.get(found[0], found[0]), text)


def test_an_annotation_has_its_place() -> None:
    assert read_annotations(rendered("github", [FINDING, ON_IMAGE])) == [
        ("error", {"title": "ocibuild layer-too-large"}, "ghcr.io/octocat/hello: too large"),
        (
            "warning",
            {
                "file": "a b/ocibuild.yaml",
                "line": "3",
                "endLine": "3",
                "col": "5",
                "endColumn": "7",
                "title": "ocibuild license-case",
            },
            "spelt otherwise\nwrite MIT",
        ),
    ]


def test_hostile_text_makes_no_commands() -> None:
    hostile = Finding("license-case", HOSTILE, Place(HOSTILE, 1, 1), HOSTILE)
    ((command, properties, message),) = read_annotations(rendered("github", [hostile]))
    cleaned = HOSTILE.replace("\u2028", "\N{REPLACEMENT CHARACTER}").replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    assert (command, message) == ("error", f"{cleaned}\n{cleaned}")
    assert properties["file"] == cleaned
    assert set(properties) == {"file", "line", "endLine", "col", "endColumn", "title"}


def test_thirty_findings_come_within_what_github_shows() -> None:
    hostile = [Finding("spec-unknown-key", f"{number} {HOSTILE}", PLACE) for number in range(17)]
    warnings = [replace(FINDING, message=str(number)) for number in range(13)]
    read = read_annotations(rendered("github", [*warnings, *hostile]))
    assert [command for command, _, _ in read] == ["error"] * 10 + ["warning"] * 10
    assert [message.partition(" ")[0] for _, _, message in read[:9]] == [str(number) for number in range(9)]
    assert read[9][2] == "and 8 more: spec-unknown-key 8x"
    assert read[19][2] == "and 4 more: license-case 4x"


def test_ten_of_a_kind_are_all_shown() -> None:
    assert "more" not in rendered("github", [FINDING] * 10)


@given(findings)
def test_every_line_is_one_annotation(found: list[Finding]) -> None:
    read = read_annotations(rendered("github", found))
    assert len(read) == sum(min(10, sum(one.severity is severity for one in found)) for severity in Severity)


def test_gitlab_knows_a_finding_again_when_lines_move() -> None:
    first, second, moved = json.loads(rendered("gitlab", [FINDING, FINDING, ON_IMAGE]))[:2] + json.loads(
        rendered("gitlab", [replace(FINDING, place=replace(PLACE, line=9))])
    )
    assert first == {
        "description": "spelt otherwise (write MIT)",
        "check_name": "license-case",
        "fingerprint": first["fingerprint"],
        "severity": "minor",
        "location": {"path": "a b/ocibuild.yaml", "lines": {"begin": 3}},
    }
    assert first["fingerprint"] != second["fingerprint"]
    assert moved["fingerprint"] == first["fingerprint"]
    assert moved["location"]["lines"]["begin"] == 9


def validated(text: str) -> Any:
    document = json.loads(text)
    Draft7Validator(SARIF).validate(document)
    return document


def test_sarif_has_rules_results_and_suppressions() -> None:
    unknown = Finding("spec-unknown-key", "no such key", PLACE)
    (run,) = validated(rendered("sarif", [FINDING, unknown, ON_IMAGE], [(FINDING, WAIVER)]))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["license-case", "spec-unknown-key", "layer-too-large"]
    assert "Mend: " in rules[0]["help"]["text"]
    assert [result["ruleIndex"] for result in run["results"]] == [0, 1, 2, 0]
    assert run["results"][0]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "a%20b/ocibuild.yaml"},
                "region": {
                    "startLine": 3,
                    "startColumn": 5,
                    "endLine": 3,
                    "endColumn": 8,
                    "snippet": {"text": "    licenses: mit"},
                },
            }
        }
    ]
    assert run["results"][2]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "ghcr.io/octocat/hello"
    assert run["results"][3]["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "for tests"}
    ]


@given(findings)
def test_sarif_is_valid_whatever_is_found(found: list[Finding]) -> None:
    assert len(validated(rendered("sarif", found))["runs"][0]["results"]) == len(found)


def test_json_has_stable_keys() -> None:
    document = json.loads(rendered("json", [ON_IMAGE], [(FINDING, WAIVER)]))
    assert document == {
        "schemaVersion": 1,
        "findings": [
            {
                "rule": "layer-too-large",
                "severity": "error",
                "message": "too large",
                "hint": None,
                "file": "ghcr.io/octocat/hello",
                "line": None,
                "column": None,
            }
        ],
        "waived": [
            {
                "rule": "license-case",
                "severity": "warning",
                "message": "spelt otherwise",
                "hint": "write MIT",
                "file": "a b/ocibuild.yaml",
                "line": 3,
                "column": 5,
                "reason": "for tests",
            }
        ],
    }


@given(st.sampled_from(sorted(FORMATS)), findings)
def test_every_format_takes_whatever_is_found(form: str, found: list[Finding]) -> None:
    rendered(form, found).encode()


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_found_is_an_empty_report(form: str) -> None:
    text = rendered(form, [])
    assert (text == "") == (form in ("text", "github"))


def test_text_shows_nothing_that_a_terminal_would_act_on() -> None:
    text = rendered("text", [Finding("license-case", HOSTILE, Place(HOSTILE, 1, 1, HOSTILE), HOSTILE)])
    assert text.replace("\n", "").isprintable()
    assert not any(line.startswith("::") for line in text.splitlines())
