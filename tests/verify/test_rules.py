"""Every rule for images: its fixture describes the smallest layout that has exactly its defect, and only its rule fires there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ocibuild import api
from ocibuild.checks.catalogue import RULES, rule_named
from ocibuild.checks.layer_reading import LIMITS, ReadingLimits
from ocibuild.checks.rule import Scope
from ocibuild.oci.location import LayoutLocation
from tests.verify.layouts import layout_of

FIXTURES = Path(__file__).parents[1] / "fixtures" / "rules"
DESCRIBED = {path.parent.name: json.loads(path.read_text()) for path in sorted(FIXTURES.glob("*/layout.json"))}
JUDGED_HERE = [rule.id for rule in RULES if set(rule.scopes) <= {Scope.IMAGE, Scope.CONTENT}]


def limits_of(facts: dict[str, Any]) -> ReadingLimits:
    return ReadingLimits(**facts["limits"]) if "limits" in facts else LIMITS


def verified(facts: dict[str, Any], directory: Path) -> api.VerifyReport:
    """What `verify` finds in the layout that `facts` describes."""
    layout_of(facts).write(directory)
    with api.Places() as places:
        return api.verify([LayoutLocation(str(directory))], places, api.VerifyTerms(limits=limits_of(facts)))


@pytest.mark.parametrize("rule", DESCRIBED)
def test_each_rule_fires_on_its_fixture_and_no_other_does(rule: str, tmp_path: Path) -> None:
    (finding,) = verified(DESCRIBED[rule], tmp_path).findings
    assert finding.rule == rule
    assert finding.severity == rule_named(rule).severity
    assert str(finding.place) == f"oci:{tmp_path}"
    assert finding.hint


@pytest.mark.parametrize("facts", [{}, {"index": {}}, {"family": "docker"}], ids=["one", "index", "docker"])
def test_the_layout_that_fixtures_spoil_is_whole(facts: dict[str, Any], tmp_path: Path) -> None:
    report = verified(facts, tmp_path)
    assert report.findings == ()
    assert (report.images, report.layers) == (1, 1)


def test_every_rule_for_images_has_a_layout_or_a_description() -> None:
    described = DESCRIBED.keys() | {path.parent.name for path in FIXTURES.glob("*/image.json")}
    assert [rule for rule in JUDGED_HERE if rule not in described] == []
