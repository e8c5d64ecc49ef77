"""Every rule for images: its fixture describes the smallest layout that has exactly its defect, and only its rule fires there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ocibuild import api
from ocibuild.checks import image_layers
from ocibuild.checks.catalogue import RULES, rule_named
from ocibuild.checks.rule import Scope
from ocibuild.oci.layer_limits import LIMITS, Limits
from ocibuild.oci.location import parse_location
from ocibuild.registry.credentials import ANONYMOUS
from tests.fake_registry import FakeRegistry
from tests.verify.layouts import layout_of

FIXTURES = Path(__file__).parents[1] / "fixtures" / "rules"
DESCRIBED = {path.parent.name: json.loads(path.read_text()) for path in sorted(FIXTURES.glob("*/layout.json"))}
JUDGED_HERE = [rule.id for rule in RULES if set(rule.scopes) <= {Scope.IMAGE, Scope.CONTENT}]


def verified(facts: dict[str, Any], place: str) -> api.VerifyReport:
    """What `verify` finds at a place that was made of `facts`."""
    limits = Limits(**facts["limits"]) if "limits" in facts else LIMITS
    with api.Places(api.Settings(credentials=lambda _: ANONYMOUS)) as places:
        return api.verify([parse_location(place)], places, api.VerifyTerms(limits=limits))


@pytest.mark.parametrize("rule", DESCRIBED)
def test_each_rule_fires_on_its_fixture_and_no_other_does(rule: str, tmp_path: Path) -> None:
    layout_of(DESCRIBED[rule]).write(tmp_path)
    (finding,) = verified(DESCRIBED[rule], f"oci:{tmp_path}").findings
    assert finding.rule == rule
    assert finding.severity == rule_named(rule).severity
    assert str(finding.place) == f"oci:{tmp_path}"
    assert finding.hint


@pytest.mark.parametrize("facts", [{}, {"index": {}}, {"family": "docker"}], ids=["one", "index", "docker"])
def test_the_layout_that_fixtures_spoil_is_whole(facts: dict[str, Any], tmp_path: Path) -> None:
    layout_of(facts).write(tmp_path)
    report = verified(facts, f"oci:{tmp_path}")
    assert report.findings == ()
    assert (report.images, report.layers) == (1, 1)


@pytest.mark.parametrize("rule", DESCRIBED)
def test_a_registry_and_an_archive_are_judged_as_a_layout_is(rule: str, tmp_path: Path) -> None:
    facts = DESCRIBED[rule]
    layout = layout_of(facts)
    layout.write_archive(tmp_path / "image.tar", tmp_path / "layout")
    with FakeRegistry() as registry:
        for place in (f"oci-archive:{tmp_path}/image.tar", layout.push(registry, "team/app")):
            (finding,) = verified(facts, place).findings
            assert finding.rule == rule
            assert str(finding.place) == place


IN_TARS = [rule.id for rule in image_layers.RULES] + ["layer-bomb", "config-time", "history-count", "rootfs-type"]


@pytest.mark.parametrize("rule", IN_TARS)
def test_a_docker_archive_is_judged_as_a_layout_is(rule: str, tmp_path: Path) -> None:
    facts = {**DESCRIBED[rule], **({"limits": {"unpacked": 1000}} if rule == "layer-bomb" else {})}
    layout_of(facts).write_docker_archive(tmp_path / "image.tar")
    assert [finding.rule for finding in verified(facts, f"docker-archive:{tmp_path}/image.tar").findings] == [rule]


def test_every_rule_for_images_has_a_layout_or_a_description() -> None:
    described = DESCRIBED.keys() | {path.parent.name for path in FIXTURES.glob("*/image.json")}
    assert [rule for rule in JUDGED_HERE if rule not in described] == []
