"""Targets for what people write: specs and their parts, Dockerfiles, workflows, names."""

from __future__ import annotations

import string
from contextlib import suppress
from datetime import UTC, datetime

from ocibuild.checks.dockerfile.stages import dockerfile_labels
from ocibuild.checks.profiles import profile_named
from ocibuild.checks.value_types import JUDGES, canonical_license
from ocibuild.checks.waivers import comment_waivers
from ocibuild.ci.context import Context
from ocibuild.ci.tag_rules import make_tags
from ocibuild.errors import SpecError, UsageError
from ocibuild.layers.patterns import selection
from ocibuild.oci.digest import parse_digest
from ocibuild.oci.location import parse_location
from ocibuild.oci.media_type import compression_of, family_of, is_foreign
from ocibuild.oci.platform import Platform, parse_platform
from ocibuild.oci.reference import parse_reference, parse_tag
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.load import Facts, Overrides, load_plans
from ocibuild.spec.lockfile import read_lock
from ocibuild.spec.policies import load_policy
from ocibuild.spec.scope import Scope
from ocibuild.spec.tag_rules import attributes_of, tag_rule
from ocibuild.spec.template_language import Budget, TemplateError
from ocibuild.spec.templates import OUTPUT_LIMIT, render
from ocibuild.spec.workflows import load_workflow
from ocibuild.tagging import Flavor
from tests.fuzz.promises import as_file, check_finding, refused_with

_MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_CONTEXT = Context(ref="refs/tags/v1.2.3-rc.1", commit="0" * 40, default_branch="main", commit_date=_MOMENT)
_PATHS = (b"a", b"a/b.txt", b"x" * 200, b"x/" * 60, b"a" * 60 + b"/" + b"b" * 60, b"\xff/\n", "ä/é".encode())


def spec(raw: bytes) -> None:
    path = as_file(raw, "ocibuild.yaml")
    with refused_with(SpecError):
        load_plans([path], Overrides(), Facts({"FLAG": "x"}, lambda _: {"commit": "0" * 40}))


def policy(raw: bytes) -> None:
    with refused_with(SpecError):
        load_policy(as_file(raw, "policy.yaml"))


def template(raw: bytes) -> None:
    scope = Scope(
        {"version": "1.2", "names": "a,b", "empty": ""},
        lambda: {"commit": "0" * 40},
        unset=frozenset({"unset"}),
        platform=Platform("linux", "arm64"),
    )
    text = raw.decode("utf-8", "replace")
    for is_file in (False, True):
        with suppress(TemplateError):
            assert len(render(text, scope, Budget(), is_file=is_file)) <= OUTPUT_LIMIT


def tag_rules(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    with suppress(UsageError):  # as long as the rule; what is told of a spec is cut where findings are collected
        rule = tag_rule(attributes_of(text), lambda template: template)
        if rule.regex is not None:  # the time of a search is bounded with the signal that libFuzzer uses
            return
        for tag in make_tags([rule], Flavor(), _CONTEXT, _MOMENT).tags:
            assert parse_tag(tag) == tag


def patterns(raw: bytes) -> None:
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    for wanted in (selection(lines, ()), selection((), lines)):
        for path in _PATHS:
            wanted.standing(path, wanted.start, is_directory=False)


def reference(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    for parse in (parse_reference, parse_tag, parse_location, parse_platform, parse_digest):
        with refused_with(UsageError):
            value = parse(text)
            assert parse(str(value)) == value
    with refused_with(UsageError):
        digest = parse_digest(text)
        assert set(digest.encoded) <= set(string.ascii_letters + string.digits + "=_-")


def media_type(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    family_of(text)
    if not is_foreign(text):
        with refused_with(UsageError):
            compression_of(text)


def label_value(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    for judge, _ in JUDGES.values():
        assert judge(text) in (True, False)
    canonical = canonical_license(text)
    assert canonical is None or canonical_license(canonical) == canonical


def dockerfile(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    dockerfile_labels("Dockerfile", text, profile_named("generic"))
    for waiver in comment_waivers("Dockerfile", text):
        assert waiver.line


def workflow(raw: bytes) -> None:
    steps, _, findings = load_workflow(as_file(raw, "workflow.yml"))
    assert all(step.place.line for step in steps)
    for finding in findings:
        check_finding(finding)


def lock_file(raw: bytes) -> None:
    path, ledger = as_file(raw, "ocibuild.lock"), Ledger()
    with refused_with(SpecError):
        read_lock(path.parent, path.name, ledger)
    for finding in ledger.findings:
        check_finding(finding)
