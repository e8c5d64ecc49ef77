"""What began a build, as GitHub, GitLab and plain git tell it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ocibuild.ci.context import Context, read_context
from ocibuild.ci.tagging import ci_facts
from ocibuild.errors import UsageError
from ocibuild.spec.scope import CI_FACTS
from tests.ci.conftest import Checkout

COMMIT, HEAD = "a" * 40, "b" * 40
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "octocat/hello",
    "GITHUB_SHA": COMMIT,
    "GITHUB_RUN_ID": "77",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_SHA": COMMIT,
    "CI_COMMIT_TIMESTAMP": "2024-02-29T23:30:00-05:00",
    "CI_DEFAULT_BRANCH": "main",
    "CI_PROJECT_PATH": "group/sub/app",
    "CI_PROJECT_URL": "https://gitlab.example/group/sub/app",
    "CI_PIPELINE_ID": "88",
    "CI_PIPELINE_URL": "https://gitlab.example/group/sub/app/-/pipelines/88",
}


def no_git() -> Mapping[str, str]:
    raise UsageError("there is no git commit here")


def github(directory: Path, payload: Any = None, **variables: str) -> Context:
    """The context of a run whose event file says `payload`."""
    environ = {**GITHUB, **{f"GITHUB_{name.upper()}": value for name, value in variables.items()}}
    if payload is not None:
        path = directory / "event.json"
        path.write_text(payload if isinstance(payload, str) else json.dumps(payload))
        environ["GITHUB_EVENT_PATH"] = str(path)
    return read_context(environ, no_git)


def gitlab(**variables: str) -> Context:
    return read_context({**GITLAB, **{f"CI_{name.upper()}": value for name, value in variables.items()}}, no_git)


REPOSITORY = {"repository": {"default_branch": "main"}}
OF_PR = {"number": 7, "pull_request": {"base": {"ref": "main"}, "head": {"sha": HEAD}}, **REPOSITORY}


def test_a_push_to_a_branch_of_github(tmp_path: Path) -> None:
    pushed = {"head_commit": {"id": COMMIT, "timestamp": "2024-02-29T23:30:00-05:00"}, **REPOSITORY}
    context = github(tmp_path, pushed, event_name="push", ref="refs/heads/main")
    assert context == Context(
        provider="github",
        event="push",
        ref="refs/heads/main",
        commit=COMMIT,
        default_branch="main",
        commit_date=datetime(2024, 3, 1, 4, 30, tzinfo=UTC),
        repository="octocat/hello",
        url="https://github.com/octocat/hello",
        run_id="77",
        run_url="https://github.com/octocat/hello/actions/runs/77",
    )
    assert (context.branch, context.tag, context.change) == ("main", "", "")
    assert context.is_default_branch


@pytest.mark.parametrize(
    ("event", "ref", "payload", "expected"),
    [
        ("push", "refs/heads/feature/x", REPOSITORY, ("feature/x", "", "", "", False)),
        ("push", "refs/tags/v1.2.3", {"base_ref": "refs/heads/main", **REPOSITORY}, ("", "v1.2.3", "", "main", False)),
        ("push", "refs/tags/v1.2.3", {"base_ref": None, **REPOSITORY}, ("", "v1.2.3", "", "", False)),
        ("release", "refs/tags/v1.2.3", {"action": "published", **REPOSITORY}, ("", "v1.2.3", "", "", False)),
        ("pull_request", "refs/pull/7/merge", OF_PR, ("", "", "7", "main", False)),
        ("pull_request_target", "refs/heads/main", OF_PR, ("", "", "7", "main", False)),
        ("schedule", "refs/heads/main", REPOSITORY, ("main", "", "", "", True)),
        ("workflow_dispatch", "refs/heads/x", REPOSITORY, ("x", "", "", "", False)),
        ("workflow_dispatch", "refs/heads/main", REPOSITORY, ("main", "", "", "", True)),
        ("issues", "refs/heads/other", REPOSITORY, ("other", "", "", "", True)),
    ],
)
def test_events_of_github(
    tmp_path: Path, event: str, ref: str, payload: Any, expected: tuple[str, str, str, str, bool]
) -> None:
    context = github(tmp_path, payload, event_name=event, ref=ref)
    facts = (context.branch, context.tag, context.change, context.base_ref, context.is_default_branch)
    assert facts == expected


@pytest.mark.parametrize(
    "payload", [None, "", "not json", "[1]", "{}", '{"repository": 3}', '{"repository": {}}', "[" * 9999]
)
def test_an_event_file_that_says_nothing_of_use(tmp_path: Path, payload: str | None) -> None:
    context = github(tmp_path, payload, event_name="push", ref="refs/heads/main")
    assert (context.branch, context.default_branch, context.commit_date) == ("main", "", None)


def test_the_date_of_another_commit_is_not_that_of_this_one(tmp_path: Path) -> None:
    payload = {"head_commit": {"id": HEAD, "timestamp": "2024-02-29T23:30:00Z"}}
    assert github(tmp_path, payload, event_name="push", ref="refs/heads/main").commit_date is None


@pytest.mark.parametrize(("asked", "commit"), [("true", HEAD), ("TRUE", HEAD), ("false", COMMIT), ("", COMMIT)])
def test_the_commit_of_a_pull_request_is_the_merge_unless_asked(tmp_path: Path, asked: str, commit: str) -> None:
    (tmp_path / "event.json").write_text(json.dumps(OF_PR))
    said = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge"}
    environ = {
        **GITHUB, **said, "GITHUB_EVENT_PATH": str(tmp_path / "event.json"), "DOCKER_METADATA_PR_HEAD_SHA": asked
    }  # fmt: skip
    assert read_context(environ, no_git).commit == commit


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"commit_branch": "main", "commit_ref_name": "main"}, ("main", "", "", "", True)),
        ({"commit_branch": "feature/x", "commit_ref_name": "feature/x"}, ("feature/x", "", "", "", False)),
        ({"commit_tag": "v1.2.3", "commit_ref_name": "v1.2.3"}, ("", "v1.2.3", "", "", False)),
        (
            {
                "merge_request_iid": "7",
                "merge_request_target_branch_name": "main",
                "commit_ref_name": "feature/x",
                "pipeline_source": "merge_request_event",
            },
            ("", "", "7", "main", False),
        ),
        ({"commit_branch": "main", "pipeline_source": "schedule"}, ("main", "", "", "", True)),
        ({}, ("", "", "", "", False)),
    ],
)
def test_pipelines_of_gitlab(variables: dict[str, str], expected: tuple[str, str, str, str, bool]) -> None:
    context = gitlab(**variables)
    facts = (context.branch, context.tag, context.change, context.base_ref, context.is_default_branch)
    assert facts == expected
    assert context.event == variables.get("pipeline_source", "push")
    assert context.commit_date == datetime(2024, 3, 1, 4, 30, tzinfo=UTC)
    assert (context.repository, context.run_id) == ("group/sub/app", "88")
    assert context.run_url == GITLAB["CI_PIPELINE_URL"]


@pytest.mark.parametrize(
    ("environ", "length"),
    [
        (GITHUB, 7),
        (GITLAB, 8),
        ({**GITHUB, "DOCKER_METADATA_SHORT_SHA_LENGTH": "12"}, 12),
        ({**GITLAB, "DOCKER_METADATA_SHORT_SHA_LENGTH": "4"}, 4),
        *(({**GITHUB, "DOCKER_METADATA_SHORT_SHA_LENGTH": wrong}, 7) for wrong in ("x", "0", "-1", "65", "")),
    ],
)
def test_the_length_of_a_short_commit(environ: dict[str, str], length: int) -> None:
    assert read_context(environ, no_git).short_commit == COMMIT[:length]


@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "GITLAB_CI"])
def test_in_ci_there_may_be_no_git(variable: str) -> None:
    assert read_context({variable: "true"}, no_git).commit == ""


def test_outside_of_ci_there_has_to_be_git() -> None:
    with pytest.raises(UsageError, match="no git commit"):
        read_context({"GITHUB_REF": "refs/heads/main"}, no_git)


def test_git_says_in_ci_what_the_environment_does_not(checkout: Checkout) -> None:
    commit = checkout("rev-parse", "HEAD")
    checkout("remote", "add", "origin", "https://user:secret@git.example/a/b.git")
    checkout("update-ref", "refs/remotes/origin/trunk", commit)
    checkout("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    said = {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/trunk", "GITHUB_SHA": commit}
    facts = ci_facts(said)(checkout.directory)
    assert (facts["default_branch"], facts["is_default_branch"]) == ("trunk", "true")
    assert (facts["repository"], facts["url"]) == ("a/b", "https://git.example/a/b")


@pytest.mark.parametrize(
    ("commands", "ref"),
    [
        ((), "refs/heads/main"),
        ((("tag", "v1.2.3"),), "refs/tags/v1.2.3"),  # a release that is made by hand
        ((("tag", "v1.2.3"), ("checkout", "-q", "v1.2.3")), "refs/tags/v1.2.3"),
        ((("checkout", "-q", "--detach"),), ""),
        ((("checkout", "-q", "-b", "feature/x"),), "refs/heads/feature/x"),
    ],
)
def test_plain_git(checkout: Checkout, commands: tuple[tuple[str, ...], ...], ref: str) -> None:
    for words in commands:
        checkout(*words)
    facts = ci_facts({})(checkout.directory)
    assert (facts["provider"], facts["event"], facts["ref"]) == ("", "", ref)
    assert facts["commit"] == checkout("rev-parse", "HEAD")


def test_templates_know_the_names_of_all_facts(checkout: Checkout) -> None:
    assert set(ci_facts({})(checkout.directory)) == set(CI_FACTS)
