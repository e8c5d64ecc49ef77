"""What typical projects write: the findings are those that their authors would want, each at its line, and there are no others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from ocibuild.errors import UsageError
from ocibuild.recipes.linting import LintTerms, lint
from ocibuild.spec.load import Facts

PROJECTS = Path(__file__).parents[1] / "fixtures" / "projects"
FINDINGS: dict[str, list[tuple[int, str]]] = {
    "build-date": [(13, "license-deprecated")],
    "django": [],
    "extension": [(4, "source-missing")],
    "go-service": [],
    "java": [],
    "mistakes": [
        (1, "source-missing"),
        (2, "unknown-oci-key"),
        (3, "unknown-oci-key"),
        (4, "label-syntax"),
        (5, "label-syntax"),
        (6, "license-not-spdx"),
        (7, "link-not-url"),
    ],
    "onbuild": [],
    "override": [],
    "per-arch": [],
    "spec-capabilities": [],
    "spec-docker": [],
    "spec-go": [(20, "user-not-numeric")],
    "spec-monorepo": [(5, "unexpanded-variable"), (8, "user-not-numeric"), (16, "entrypoint-not-executable")],
    "spec-nginx": [(8, "privileged-port"), (8, "privileged-port")],
    "spec-python": [(24, "secret-in-env"), (34, "private-key")],
    "spec-windows": [],
    "target-stage": [],
    "traefik": [],
    "windows-image": [],
}


def no_git(directory: Path) -> Mapping[str, str]:
    raise UsageError(f"there is no commit in {directory}")


@pytest.mark.parametrize("project", sorted(path.name for path in PROJECTS.iterdir()))
def test_a_project_has_the_findings_that_its_authors_would_want(project: str) -> None:
    findings = lint([PROJECTS / project], LintTerms(date(2026, 1, 1)), Facts({}, no_git)).findings
    assert [(one.place.line, one.rule) for one in findings if one.place] == FINDINGS[project]
