"""Every rule: its documentation, and a fixture of its name with the smallest input that has exactly its defect."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ocibuild.checks.catalogue import RULES, rule_named
from ocibuild.checks.profiles import profile_named
from ocibuild.checks.rule import Scope
from ocibuild.errors import UsageError
from ocibuild.recipes.linting import LintReport, LintTerms, lint
from ocibuild.spec.load import Facts
from tests.checks.images import GENERIC, image, index, layer

FIXTURES = Path(__file__).parents[1] / "fixtures" / "rules"
LINTED = [rule.id for rule in RULES if not set(rule.scopes) <= {Scope.IMAGE, Scope.CONTENT}]
DESCRIBED = sorted(path.parent.name for path in FIXTURES.glob("*/image.json"))


def lint_fixture(name: str, directory: Path) -> LintReport:
    """The report on a copy of a fixture. `sparse.txt` names files that are large and empty, `profile.txt` a profile."""
    shutil.copytree(FIXTURES / name, directory, dirs_exist_ok=True)
    sparse, profile = directory / "sparse.txt", directory / "profile.txt"
    for line in sparse.read_text().splitlines() if sparse.exists() else ():
        file, size = line.split()
        with (directory / file).open("wb") as made:
            os.truncate(made.fileno(), int(size))
    chosen = profile_named(profile.read_text().strip()) if profile.exists() else None
    terms = LintTerms(date(2026, 1, 1), profile=chosen)
    return lint([directory], terms, Facts({}, lambda _: pytest.fail("git is not needed")))


@pytest.mark.parametrize("rule", LINTED)
def test_each_rule_fires_on_its_fixture_and_no_other_does(rule: str, tmp_path: Path) -> None:
    findings = lint_fixture(rule, tmp_path).findings
    assert {finding.rule for finding in findings} == {rule}, findings
    for finding in findings:
        assert finding.severity == rule_named(rule).severity
        assert finding.place is not None
        assert finding.place.line is not None
        assert finding.hint


@pytest.mark.parametrize("rule", DESCRIBED)
def test_each_rule_of_documents_fires_on_the_image_that_its_fixture_describes(rule: str) -> None:
    facts = json.loads((FIXTURES / rule / "image.json").read_text())
    layers = [layer(**fields) for fields in facts.get("layers", [])]
    sample = image(*layers)
    if "in_index_for" in facts:
        sample = index(image(*layers, named_for=facts["in_index_for"]))
    assert sample.rules(replace(GENERIC, **facts.get("profile", {}))) == [rule]


def test_every_rule_has_a_fixture_and_every_fixture_a_rule() -> None:
    assert {path.name for path in FIXTURES.iterdir() if path.is_dir()} == {rule.id for rule in RULES}
    # Those of images describe one, as `image.json` here or as `layout.json` (tests/verify).
    of_images = {path.parent.name for name in ("image.json", "layout.json") for path in FIXTURES.glob(f"*/{name}")}
    assert of_images >= {rule.id for rule in RULES} - set(LINTED)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_says_what_why_whence_and_how_to_mend_it(rule) -> None:  # type: ignore[no-untyped-def]
    what, _, rest = rule.explanation.partition("\n\n")
    assert what
    starts = [line.partition(":")[0] for line in rest.splitlines() if line.startswith(("Why:", "Source:", "Mend:"))]
    assert starts == ["Why", "Source", "Mend"]
    assert rule.title[0].isupper()
    assert not rule.title.endswith(".")


def test_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_an_unknown_rule_is_told_the_nearest() -> None:
    for name, hint in {
        "source-mising": "did you mean `source-missing`?",
        "spec-x": "it says that the spec is not of the form that `ocibuild schema` describes, and has to be mended",
        "zzz": "`ocibuild rules` lists them",
    }.items():
        with pytest.raises(UsageError) as caught:
            rule_named(name)
        assert caught.value.hint == hint
