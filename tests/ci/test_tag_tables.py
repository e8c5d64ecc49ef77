"""The tables that document docker/metadata-action, row by row: what was built, the rules, the tags."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ocibuild.ci.context import Context
from tests.ci.rules import COMMIT, github, made, tagged

PR = github("pull_request", "refs/pull/2/merge", base_ref="master")
MASTER = github("push", "refs/heads/master")
RELEASES = github("push", "refs/heads/releases/v1")
MY_BRANCH = github("push", "refs/heads/my/branch")
NIGHTLY = github("schedule", "refs/heads/master")
DISPATCH = github("workflow_dispatch", "refs/heads/master")
V1, BETA = tagged("v1.2.3"), tagged("v2.0.8-beta.67")

DEFAULTS = ("type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr")
BASIC = (
    *("type=ref,event=branch", "type=ref,event=pr"),
    *("type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}"),
)


@pytest.mark.parametrize(
    ("context", "rules", "tags"),
    [
        (PR, DEFAULTS, "pr-2"),
        (MASTER, DEFAULTS, "master"),
        (RELEASES, DEFAULTS, "releases-v1"),
        (V1, DEFAULTS, "v1.2.3 latest"),
        (BETA, DEFAULTS, "v2.0.8-beta.67 latest"),
        (NIGHTLY, DEFAULTS, "nightly master"),
        (DISPATCH, DEFAULTS, "master"),
        (PR, BASIC, "pr-2"),
        (MASTER, BASIC, "master"),
        (RELEASES, BASIC, "releases-v1"),
        (V1, BASIC, "1.2.3 1.2 latest"),
        (BETA, BASIC, "2.0.8-beta.67"),
        (V1, (*BASIC, "type=sha"), "1.2.3 1.2 sha-860c190 latest"),
        (MASTER, (*BASIC, "type=sha"), "master sha-860c190"),
    ],
)
def test_usage(context: Context, rules: tuple[str, ...], tags: str) -> None:
    assert " ".join(made(rules, context).tags) == tags


@pytest.mark.parametrize(
    ("pattern", "tag"),
    [
        ("", "nightly"),
        (",pattern=nightly", "nightly"),
        (",pattern={{date 'YYYYMMDD'}}", "20200110"),
        (",pattern={{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", "20200110-093000"),
        (",pattern={{date 'YYYYMMDD-hhmmss' tz='Asia/Tokyo'}}", "20200110-093000"),
    ],
)
def test_schedule(pattern: str, tag: str) -> None:
    assert made(["type=schedule" + pattern], NIGHTLY).tags == (tag,)
    assert made(["type=schedule" + pattern], MASTER).tags == ()


@pytest.mark.parametrize(
    ("git_tag", "pattern", "tags"),
    [
        ("v1.2.3", "{{raw}}", "v1.2.3 latest"),
        ("v1.2.3", "{{version}}", "1.2.3 latest"),
        ("v1.2.3", "{{major}}.{{minor}}", "1.2 latest"),
        ("v1.2.3", "v{{major}}", "v1 latest"),
        ("v1.2.3", "{{minor}}", "2 latest"),
        ("v1.2.3", "{{patch}}", "3 latest"),
        ("v2.0.8-beta.67", "{{raw}}", "v2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{ raw }}", "v2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{version}}", "2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{major}}.{{minor}}", "2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{raw}}-x", "2.0.8-beta.67"),
        # What semver.org says, which the tables leave out.
        ("1.2.3+build.5", "{{version}}", "1.2.3 latest"),
        ("1.2.3+build.5", "{{raw}}", "1.2.3-build.5 latest"),
        ("1.2.3-rc.1+5", "{{version}}", "1.2.3-rc.1"),
        ("app/v1.2.3", "{{version}}", ""),
        ("v1.2", "{{version}}", ""),
        ("v01.2.3", "{{version}}", ""),
        ("V1.2.3", "{{version}}", ""),
        ("1.2.3-01", "{{version}}", ""),
        ("nightly", "{{version}}", ""),
    ],
)
def test_semver(git_tag: str, pattern: str, tags: str) -> None:
    assert " ".join(made([f"type=semver,pattern={pattern}"], tagged(git_tag)).tags) == tags


@pytest.mark.parametrize(
    ("git_tag", "pattern", "tags"),
    [
        ("1.2.3", "{{raw}}", "1.2.3 latest"),
        ("1.2.3", "{{version}}", "1.2.3 latest"),
        ("v1.2.3", "{{version}}", "1.2.3 latest"),
        ("1.2.3", "{{major}}.{{minor}}", "1.2 latest"),
        ("1.2.3", "v{{major}}", "v1 latest"),
        ("v1.2.3rc2", "{{raw}}", "v1.2.3rc2"),
        ("1.2.3rc2", "{{version}}", "1.2.3rc2"),
        ("1.2.3rc2", "{{major}}.{{minor}}", "1.2.3rc2"),
        ("1.2.3post1", "{{major}}.{{minor}}", "1.2.3.post1"),
        ("1.2.3beta2", "{{major}}.{{minor}}", "1.2.3b2"),
        ("1.0dev4", "{{major}}.{{minor}}", "1.0.dev4"),
        ("2", "{{major}}.{{minor}}.{{patch}}", "2.0.0 latest"),
        ("1.0+local.1", "{{version}}", "1.0-local.1 latest"),
        ("1.2.3-beta.x", "{{version}}", ""),
        ("9" * 5000, "{{version}}", ""),
    ],
)
def test_pep440(git_tag: str, pattern: str, tags: str) -> None:
    assert " ".join(made([f"type=pep440,pattern={pattern}"], tagged(git_tag)).tags) == tags


@pytest.mark.parametrize("kind", ["semver", "pep440"])
@pytest.mark.parametrize(
    ("attributes", "git_tag", "tags"),
    [
        ("value=v1.0.0", "v2.0.0", "1.0.0 latest"),
        ("value={{tag}}", "v2.0.0", "2.0.0 latest"),
        ("match=app1/v(.*)", "app1/v3.1.0", "3.1.0 latest"),
        ("match=v\\d.*", "x", ""),
        ("match=\\d+\\.\\d+\\.\\d+", "release-3.1.0", "3.1.0 latest"),
        ("match=app1/v(.*)", "v3.1.0", "3.1.0 latest"),  # where it does not match, all is taken
    ],
)
def test_versions_that_are_found_elsewhere(kind: str, attributes: str, git_tag: str, tags: str) -> None:
    rule = f"type={kind},pattern={{{{version}}}},{attributes}"
    assert " ".join(made([rule], tagged(git_tag)).tags) == tags


@pytest.mark.parametrize("kind", ["semver", "pep440"])
def test_a_value_needs_no_git_tag(kind: str) -> None:
    rule = f"type={kind},pattern={{{{version}}}}"
    assert made([f"{rule},value=v1.0.0"], MASTER).tags == ("1.0.0", "latest")
    assert made([rule], MASTER).tags == ()


@pytest.mark.parametrize(
    ("git_tag", "attributes", "tag"),
    [
        ("v1.2.3", r"pattern=\d.\d.\d", "1.2.3"),
        ("v1.2.3", r"pattern=\d.\d.\d,group=0", "1.2.3"),
        ("v2.0.8-beta.67", "pattern=v(.*),group=1", "2.0.8-beta.67"),
        ("v2.0.8-beta.67", r"pattern=v(\d.\d),group=1", "2.0"),
        ("20200110-RC2", r"pattern=\d+", "20200110"),
        ("20200110-RC2", r"pattern=/\d+-rc\d/i", "20200110-RC2"),
        ("p1/v1.2.3", r"pattern=p1/v(\d.\d.\d),group=1", "1.2.3"),
        ("v1.2.3", r"pattern=(?<name>\d),group=1", "1"),
        ("v1.2.3", "pattern=v(.*),group=1,value=v1.0.0", "1.0.0"),
        ("v1.2.3", r'"pattern=v(\d{1,2})",group=1', "1"),
    ],
)
def test_match(git_tag: str, attributes: str, tag: str) -> None:
    assert made([f"type=match,{attributes}"], tagged(git_tag)).tags == (tag, "latest")


@pytest.mark.parametrize("attributes", ["pattern=release-(.*)", "pattern=v(x)?,group=1", "pattern=v,group=7"])
def test_match_that_finds_nothing(attributes: str) -> None:
    assert made([f"type=match,{attributes}"], tagged("v1.2.3")).tags == ()


@pytest.mark.parametrize(
    ("context", "rule", "tags"),
    [
        (MASTER, "type=edge", ("edge",)),
        (MY_BRANCH, "type=edge", ()),
        (MY_BRANCH, "type=edge,branch=my/branch", ("edge",)),
        (MASTER, "type=edge,branch=main", ()),
        (V1, "type=edge", ()),
        (PR, "type=edge", ()),
    ],
)
def test_edge(context: Context, rule: str, tags: tuple[str, ...]) -> None:
    assert made([rule], context).tags == tags


@pytest.mark.parametrize(
    ("context", "event", "tags"),
    [
        (PR, "pr", ("pr-2",)),
        (MASTER, "branch", ("master",)),
        (MY_BRANCH, "branch", ("my-branch",)),
        (V1, "tag", ("v1.2.3", "latest")),
        (BETA, "tag", ("v2.0.8-beta.67", "latest")),
        (DISPATCH, "branch", ("master",)),
        (PR, "branch", ()),
        (V1, "branch", ()),
        (MASTER, "tag", ()),
        (MASTER, "pr", ()),
    ],
)
def test_ref(context: Context, event: str, tags: tuple[str, ...]) -> None:
    assert made([f"type=ref,event={event}"], context).tags == tags


@pytest.mark.parametrize("rule", ["type=raw,value=foo", "type=raw,foo", "foo"])
def test_raw(rule: str) -> None:
    assert made([rule], V1).tags == ("foo",)


@pytest.mark.parametrize(
    ("rule", "tag"),
    [
        ("type=sha", "sha-860c190"),
        ("type=sha,format=short", "sha-860c190"),
        ("type=sha,format=long", f"sha-{COMMIT}"),
        ("type=sha,prefix=", "860c190"),
        ("type=sha,prefix={{branch}}-", "master-860c190"),
        ("type=raw,value=mytag-{{branch}}-{{sha}}", "mytag-master-860c190"),
    ],
)
def test_sha(rule: str, tag: str) -> None:
    assert made([rule], MASTER).tags == (tag,)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("branch", ("", "master", "my/branch", "")),
        ("tag", ("", "", "", "v1.2.3")),
        ("sha", ("860c190", "860c190", "860c190", "860c190")),
        ("base_ref", ("master", "", "", "master")),
        ("is_default_branch", ("false", "true", "false", "false")),
        ("is_not_default_branch", ("true", "false", "true", "true")),
    ],
)
def test_names(name: str, values: tuple[str, ...]) -> None:
    builds = (PR, MASTER, MY_BRANCH, github("push", "refs/tags/v1.2.3", base_ref="master"))
    for context, value in zip(builds, values, strict=True):
        assert made([f"type=raw,value=x{{{{{name}}}}}"], context).tags == (f"x{value}".replace("/", "-"),)


@pytest.mark.parametrize("event", ["create", "discussion", "discussion_comment", "issues", "schedule"])
def test_events_that_run_on_the_default_branch_alone(event: str) -> None:
    rule = "type=raw,value=latest,enable={{is_default_branch}}"
    assert made([rule], github(event, "refs/tags/v1")).tags == ("latest",)
    assert made([rule], github("push", "refs/tags/v1")).tags == ()


def test_latest_on_the_default_branch() -> None:
    rule = "type=raw,value=latest,enable={{is_default_branch}}"
    assert (made([rule], MASTER).tags, made([rule], MY_BRANCH).tags) == (("latest",), ())


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("{{date 'YYYYMMDD'}}", "20200110"),
        ("{{date 'dddd, MMMM Do YYYY, h:mm:ss a'}}", "Friday-January-10th-2020-12-30-00-am"),
        ("{{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", "20200110-093000"),
        ("{{commit_date 'YYYYMMDD'}}", "20191231"),
        ("{{commit_date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", "20200101-083000"),
    ],
)
def test_dates(expression: str, text: str) -> None:
    context = github("push", "refs/heads/master", commit_date=datetime(2019, 12, 31, 23, 30, tzinfo=UTC))
    assert made([f"type=raw,value={expression}"], context).tags == (text,)
