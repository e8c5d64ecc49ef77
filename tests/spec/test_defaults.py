"""`metadata.defaults`: what git gives where the spec says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ocibuild.errors import UsageError
from ocibuild.plan import Plan
from ocibuild.spec.load import Facts, Overrides
from tests.spec.specs import findings_of, no_git, plan_of

PREFIX = "org.opencontainers.image."
GIT = {
    "commit": "a" * 40,
    "commit_date": "2024-03-01T04:30:00Z",
    "tag": "v1.2.3",
    "dirty": "false",
    "repository": "octocat/hello-git",
    "url": "https://github.com/octocat/hello-git",
}
ALL = {
    "source": "https://github.com/octocat/hello-git",
    "revision": "a" * 40,
    "version": "1.2.3",
    "created": "2024-03-01T04:30:00Z",
    "title": "hello",
}


def plan(
    directory: Path, metadata: str, git: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> Plan:
    body = f"image: ghcr.io/octocat/hello\nplatforms: [linux/amd64, linux/arm64]\nmetadata: {metadata}\n"
    return plan_of(directory, body, given=Facts(environ or {}, lambda _: {**GIT, **(git or {})}))


def labels(plan: Plan) -> dict[str, str]:
    """The short keys of the labels of the first platform."""
    return {key.removeprefix(PREFIX): value for key, value in plan.platforms[0].labels}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("{defaults: git}", ALL),
        ("{defaults: [revision, title]}", {key: ALL[key] for key in ("revision", "title")}),
        ("{defaults: []}", {}),
        ("{}", {}),
        ("{defaults: git, version: 9, title: Hello}", {**ALL, "version": "9", "title": "Hello"}),
    ],
)
def test_git_gives_what_is_asked_for_and_not_written(tmp_path: Path, metadata: str, expected: dict[str, str]) -> None:
    assert labels(plan(tmp_path, metadata)) == expected


def test_they_stand_wherever_metadata_stands(tmp_path: Path) -> None:
    made = plan(tmp_path, "{defaults: git}")
    assert made.index_annotations == made.platforms[0].annotations == made.platforms[1].labels
    assert dict(made.index_annotations)[PREFIX + "revision"] == "a" * 40


@pytest.mark.parametrize(
    ("git", "key", "expected"),
    [
        ({"dirty": "true"}, "revision", "a" * 40 + "-dirty"),
        ({"tag": "release"}, "version", "release"),
        ({"tag": "very-1"}, "version", "very-1"),
        ({"tag": ""}, "version", None),
        ({"url": ""}, "source", None),
    ],
)
def test_what_git_says_in_other_states(tmp_path: Path, git: dict[str, str], key: str, expected: str | None) -> None:
    assert labels(plan(tmp_path, "{defaults: git}", git)).get(key) == expected


def test_without_a_name_the_title_is_that_of_the_repository(tmp_path: Path) -> None:
    made = plan_of(tmp_path, "metadata: {defaults: [title]}\n", given=Facts({}, lambda _: GIT))
    assert labels(made) == {"title": "hello-git"}


def test_the_time_is_that_of_the_spec_then_the_environment_then_the_commit(tmp_path: Path) -> None:
    metadata, epoch = "{defaults: [created]}", {"SOURCE_DATE_EPOCH": "86400"}
    assert labels(plan(tmp_path, metadata))["created"] == "2024-03-01T04:30:00Z"
    assert labels(plan(tmp_path, metadata, environ=epoch))["created"] == "1970-01-02T00:00:00Z"
    said = plan(tmp_path, metadata + "\ncreated: 2020-02-02T00:00:00Z", environ=epoch)
    assert labels(said)["created"] == "2020-02-02T00:00:00Z"


def test_labels_are_laid_over_them(tmp_path: Path) -> None:
    made = plan(tmp_path, f"{{defaults: [version]}}\nlabels: {{{PREFIX}version: mine}}")
    assert (labels(made)["version"], dict(made.platforms[0].annotations)[PREFIX + "version"]) == ("mine", "1.2.3")


def test_no_git_is_an_error_only_where_it_is_asked(tmp_path: Path) -> None:
    def nothing(directory: Path) -> Mapping[str, str]:
        raise UsageError("there is no git commit here", hint="check out")

    (finding,) = findings_of(tmp_path, "metadata: {defaults: git}\n", Overrides(), Facts({}, nothing))
    assert (finding.rule, finding.message, finding.hint) == ("spec-no-git", "there is no git commit here", "check out")
    assert labels(plan_of(tmp_path, "metadata: {title: x}\n", given=Facts({}, no_git))) == {"title": "x"}


@pytest.mark.parametrize("defaults", ["all", "[licenses]", "{source: true}", "true"])
def test_what_is_no_list_of_such_entries(tmp_path: Path, defaults: str) -> None:
    findings = findings_of(tmp_path, f"metadata: {{defaults: {defaults}}}\n", Overrides(), Facts({}, lambda _: GIT))
    assert findings
    assert all(finding.hint for finding in findings)
