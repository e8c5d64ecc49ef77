"""Policies and waivers, as specs and policy files write them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ocibuild.errors import SpecError
from ocibuild.policy import Demand, ValueType
from ocibuild.spec.policies import load_policy
from tests.spec.specs import findings_of, plan_of, write

POLICY = """
labels:
  org.opencontainers.image.source: {required: true, type: url}
  com.example.team:
    pattern: '[a-z]{2}'
    max_length: 2
    enum: [aa, bb]
    description: who is asked
strict: true
"""
DEMANDS = {
    "org.opencontainers.image.source": Demand(required=True, type=ValueType.URL),
    "com.example.team": Demand(pattern="[a-z]{2}", max_length=2, enum=("aa", "bb"), description="who is asked"),
}


def test_a_policy_stands_in_the_spec_or_in_a_file(tmp_path: Path) -> None:
    indented = POLICY.replace("\n", "\n  ")
    inline = plan_of(tmp_path, f"policy:{indented}").policy
    write(tmp_path, POLICY, "labels.yaml")
    (tmp_path / "app").mkdir()
    named = plan_of(tmp_path / "app", "policy: ../labels.yaml").policy
    assert inline is not None
    assert named is not None
    assert (inline.labels, inline.strict) == (named.labels, named.strict) == (DEMANDS, True)
    assert named == load_policy(tmp_path / "labels.yaml")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("policy: ../nowhere.yaml", "there is no policy file PARENT/nowhere.yaml"),
        ("policy: {}", "`labels` is missing in this policy"),
        ("policy: {labels: {a: {type: number}}}", "`number` is not a type of a label"),
        ("policy: {labels: {a: {requird: true}}}", "`requird` is not a key of `a`"),
        ("policy: {labels: {a: {max_length: 0}}}", None),
        ("policy: {labels: {a: {pattern: '('}}}", None),
        ("waivers: [{rule: a}]", "`reason` is missing in this waiver"),
        ("waivers: [{rule: a, reason: b, expires: 2030-02-30}]", "there is no day 2030-02-30"),
        ("waivers: [{rule: a, reason: b, expires: soon}]", None),
    ],
)
def test_what_is_no_policy_is_refused_at_its_place(tmp_path: Path, body: str, message: str | None) -> None:
    (finding,) = findings_of(tmp_path, body)
    assert finding.place is not None
    assert finding.place.line == 2
    assert message is None or finding.message == message.replace("PARENT", str(tmp_path.parent))


def test_faults_of_a_policy_file_are_told_at_their_place_there(tmp_path: Path) -> None:
    path = write(tmp_path, "labels:\n  a: {kind: url}\n", "labels.yaml")
    (finding,) = findings_of(tmp_path, "policy: labels.yaml")
    assert str(finding.place) == f"{path}:2:7"
    with pytest.raises(SpecError) as caught:
        load_policy(path)
    assert caught.value.findings == (finding,)


@pytest.mark.parametrize("text", ["", "- a\n", "labels: {}\n---\nlabels: {}\n"])
def test_a_policy_file_is_one_map(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_policy(write(tmp_path, text, "labels.yaml"))
    assert [finding.message for finding in caught.value.findings] == ["a policy file is one map"]


def test_waivers_have_a_reason_and_may_expire(tmp_path: Path) -> None:
    body = "waivers:\n  - {rule: a, reason: 'for {{ now }}'}\n  - {rule: b, reason: c, expires: 2030-12-31}"
    first, second = plan_of(tmp_path, body).waivers
    assert (first.rule, first.reason, first.expires, first.place.line) == ("a", "for {{ now }}", None, 3)
    assert (second.rule, second.expires) == ("b", date(2030, 12, 31))
