"""Tag rules where they are used: what is asked of git, and when it is not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ocibuild.ci.git import git_facts, remote_pages
from ocibuild.ci.tagging import tag_maker
from ocibuild.errors import UsageError
from ocibuild.spec.tag_rules import attributes_of, flavor, plain_rule, tag_rule
from ocibuild.tagging import Flavor, MadeTags
from tests.ci.conftest import Checkout
from tests.ci.rules import never

NOW = datetime(2020, 1, 10, 0, 30, tzinfo=UTC)


def no_git(directory: Path) -> Mapping[str, str]:
    raise AssertionError("git is not needed")


def test_rules_that_say_all_themselves_need_no_git(tmp_path: Path) -> None:
    rules = [plain_rule("x"), tag_rule(attributes_of("type=raw,value=y,priority=300"), never)]
    make = tag_maker({}, no_git)
    assert make(rules, flavor({"prefix": "p-"}, never), tmp_path).tags == ("p-y", "p-x")
    with pytest.raises(AssertionError, match="git is not needed"):
        make(rules, flavor({"prefix": "{{branch}}-"}, never), tmp_path)


def test_the_date_is_that_of_the_clock_and_of_the_commit(checkout: Checkout) -> None:
    text = "type=raw,value={{date 'YYYYMMDD'}}-{{commit_date 'YYYYMMDD' tz='America/New_York'}}"
    make = tag_maker({}, now=lambda: NOW)
    assert make([tag_rule(attributes_of(text), never)], Flavor(), checkout.directory).tags == ("20200110-20240229",)


def test_a_clone_knows_its_default_branch(checkout: Checkout, tmp_path: Path) -> None:
    edge = tag_rule(attributes_of("type=edge"), never)
    clone = tmp_path / "clone"
    checkout("clone", "-q", str(checkout.directory), str(clone))
    assert tag_maker({})([edge], Flavor(), clone).tags == ("edge",)
    (outcome,) = tag_maker({})([edge], Flavor(), checkout.directory).outcomes
    assert "the default branch is not known here" in outcome.message


def test_outside_of_ci_and_git_a_rule_of_the_build_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no git commit"):
        tag_maker({})([tag_rule(attributes_of("type=sha"), never)], Flavor(), tmp_path)


def test_in_ci_a_rule_needs_no_git(tmp_path: Path) -> None:
    said = {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main"}
    made: MadeTags = tag_maker(said)([tag_rule(attributes_of("type=ref,event=branch"), never)], Flavor(), tmp_path)
    assert made.tags == ("main",)


def test_all_remotes_count(checkout: Checkout, tmp_path: Path) -> None:
    assert remote_pages(checkout.directory) == remote_pages(tmp_path) == ()
    checkout("remote", "add", "origin", "git@github.com:me/hello.git")
    checkout("remote", "add", "upstream", "https://u:secret@github.com/octocat/hello")
    checkout("remote", "add", "local", "/srv/hello git")
    assert remote_pages(checkout.directory) == ("https://github.com/me/hello", "https://github.com/octocat/hello")
    assert git_facts(checkout.directory)["url"] == "https://github.com/me/hello"
