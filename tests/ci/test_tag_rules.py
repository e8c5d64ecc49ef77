"""What holds for all rules: order, `latest`, affixes, `enable`, characters that no tag has, and what is said of a rule."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.ci.context import Context
from ocibuild.ci.tag_rules import sanitized
from ocibuild.errors import UsageError
from ocibuild.findings import Severity
from ocibuild.oci.reference import parse_tag
from tests.ci.rules import COMMIT, github, made, tagged

MASTER, V1 = github("push", "refs/heads/master"), tagged("v1.2.3")
ALL = (
    *("type=sha", "type=raw,value=x", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr", "type=edge"),
    *("type=match,pattern=.*", "type=pep440,pattern={{version}}", "type=semver,pattern={{version}}", "type=schedule"),
)


@pytest.mark.parametrize(
    ("rules", "context", "tags"),
    [
        # schedule 1000, semver and pep440 900, match 800, edge 700, ref 600, raw 200, sha 100
        (ALL, github("schedule", "refs/heads/master"), "nightly edge master x sha-860c190"),
        (ALL, tagged("v1.2.3"), "1.2.3 v1.2.3 x sha-860c190 latest"),
        (("type=sha", "type=raw,value=x,priority=50"), MASTER, "sha-860c190 x"),
        (("type=sha", "type=raw,value=x,priority=-1"), MASTER, "sha-860c190 x"),
        (("b", "a", "type=raw,value=c", "d,type=raw"), MASTER, "b a c d"),  # of the same priority: as written
    ],
)
def test_the_order_is_that_of_priorities(rules: tuple[str, ...], context: Context, tags: str) -> None:
    assert " ".join(made(rules, context).tags) == tags


@pytest.mark.parametrize(
    ("rules", "context", "latest", "tags"),
    [
        (["type=semver,pattern={{version}}"], V1, "auto", "1.2.3 latest"),
        (["type=semver,pattern={{version}}"], V1, "false", "1.2.3"),
        (["type=semver,pattern={{version}}"], tagged("v1.2.3-rc.1"), "auto", "1.2.3-rc.1"),
        (["type=semver,pattern={{version}}"], tagged("v1.2.3-rc.1"), "true", "1.2.3-rc.1 latest"),
        (["type=pep440,pattern={{version}}"], tagged("1.0.post1"), "auto", "1.0.post1"),
        (["type=match,pattern=v.*"], V1, "auto", "v1.2.3 latest"),
        (["type=ref,event=tag"], tagged("v1.2.3-rc.1"), "auto", "v1.2.3-rc.1 latest"),
        (["type=ref,event=branch"], MASTER, "auto", "master"),
        (["type=ref,event=branch"], MASTER, "true", "master latest"),
        (["type=edge"], MASTER, "auto", "edge"),
        (["type=sha"], MASTER, "auto", "sha-860c190"),
        (["x"], MASTER, "auto", "x"),
        # The first tag alone decides: what comes later changes nothing.
        (["type=ref,event=tag", "type=raw,value=x,priority=900"], V1, "auto", "x v1.2.3"),
        (["type=semver,pattern={{version}}", "type=raw,value=x"], V1, "auto", "1.2.3 x latest"),
        # No tag, no latest.
        (["type=semver,pattern={{version}}"], MASTER, "true", ""),
        (["type=raw,value={{tag}}"], MASTER, "true", ""),
    ],
)
def test_latest(rules: list[str], context: Context, latest: str, tags: str) -> None:
    assert " ".join(made(rules, context, {"latest": latest}).tags) == tags


@pytest.mark.parametrize(
    ("rules", "style", "tags"),
    [
        (["type=semver,pattern={{version}}"], {"prefix": "p-"}, "p-1.2.3 latest"),
        (["type=semver,pattern={{version}}"], {"suffix": "-s"}, "1.2.3-s latest"),
        (["type=semver,pattern={{version}}"], {"prefix": "p-", "suffix": "-s", "onlatest": ["suffix"]}, "p-1.2.3-s latest-s"),
        (["type=semver,pattern={{version}}"], {"prefix": "p-", "suffix": "-s", "onlatest": ["prefix"]}, "p-1.2.3-s p-latest"),
        (["type=semver,pattern={{version}}"], {"suffix": "-{{sha}}", "onlatest": ["suffix"]}, "1.2.3-860c190 latest-860c190"),
        # An attribute of the rule, even an empty one, replaces the flavor's; `sha` has one of its own.
        (["type=semver,pattern={{version}},prefix="], {"prefix": "p-", "suffix": "-s"}, "1.2.3-s latest"),
        (["type=semver,pattern={{version}},suffix=-x"], {"prefix": "p-", "suffix": "-s"}, "p-1.2.3-x latest"),
        (["type=sha"], {"prefix": "p-", "suffix": "-s"}, "sha-860c190-s"),
        (["type=sha,prefix=c-"], {"prefix": "p-"}, "c-860c190"),
        (["x"], {"prefix": "{{tag}}-"}, "v1.2.3-x"),
    ],
)  # fmt: skip
def test_prefix_and_suffix(rules: list[str], style: dict[str, Any], tags: str) -> None:
    assert " ".join(made(rules, V1, style).tags) == tags


def test_a_pull_request_has_a_prefix_of_its_own() -> None:
    context = github("pull_request", "refs/pull/7/merge")
    assert made(["type=ref,event=pr"], context, {"prefix": "p-"}).tags == ("pr-7",)
    assert made(["type=ref,event=pr,prefix="], context).tags == ("7",)
    merge_request = Context(provider="gitlab", ref="refs/merge-requests/7/head")
    assert made(["type=ref,event=pr"], merge_request).tags == ("mr-7",)


@pytest.mark.parametrize(
    ("enable", "tags"),
    [("true", ("x",)), ("false", ()), ("{{is_default_branch}}", ("x",)), ("{{is_not_default_branch}}", ())],
)
def test_enable(enable: str, tags: tuple[str, ...]) -> None:
    assert made([f"type=raw,value=x,enable={enable}"], MASTER).tags == tags


@pytest.mark.parametrize("enable", ["", "yes", "True", "1", "{{branch}}"])
def test_enable_that_says_neither(enable: str) -> None:
    outcome = made([f"type=raw,value=x,enable={enable}"], MASTER).outcomes[0]
    assert (outcome.severity, outcome.tag) == (Severity.ERROR, "")
    assert "true or false" in outcome.message


@pytest.mark.parametrize(
    ("ref", "tag"),
    [
        ("feature/a&b", "feature-a-b"),
        ("über/neu", "-ber-neu"),
        ("a//b", "a-b"),
        ("a@{b}~1", "a-b-1"),
        ("A_b.C-d", "A_b.C-d"),
        ("a+-b", "a--b"),
    ],
)
def test_characters_that_no_tag_has_become_a_dash_a_run(ref: str, tag: str) -> None:
    assert sanitized(ref) == tag


@pytest.mark.parametrize(
    "rule",
    [
        "type=raw,value=-x",
        "type=raw,value=.x",
        "type=raw,value=é",
        "type=ref,event=branch,prefix=/",
        f"type=raw,value={'x' * 129}",
        f"type=sha,format=long,prefix={'x' * 100}",
    ],
)
def test_what_is_no_tag_even_so_is_an_error_of_its_rule(rule: str) -> None:
    result = made(["type=ref,event=branch", rule, "ok"], MASTER)
    assert [outcome.severity for outcome in result.outcomes] == [Severity.INFO, Severity.ERROR, Severity.INFO]
    assert "is not a tag" in result.outcomes[1].message
    assert "128" in result.outcomes[1].hint


def test_an_affix_that_makes_no_tag_of_latest_is_an_error() -> None:
    with pytest.raises(UsageError, match="'-latest' is not a tag"):
        made(["type=semver,pattern={{version}},prefix="], V1, {"prefix": "-", "onlatest": ["prefix"]})


def test_the_same_tag_is_there_once_at_its_first_place() -> None:
    rules = ["type=semver,pattern={{version}}", "type=pep440,pattern={{version}}", "latest", "1.2.3"]
    assert made(rules, V1).tags == ("1.2.3", "latest")


@pytest.mark.parametrize(
    ("rule", "context", "reason"),
    [
        ("type=schedule", MASTER, "this is no scheduled run"),
        ("type=semver,pattern={{version}}", MASTER, "what is built is no git tag"),
        ("type=semver,pattern={{version}},value={{branch}}", V1, "its `value` is empty"),
        ("type=match,pattern=x", MASTER, "what is built is no git tag"),
        ("type=edge", V1, "what is built is no branch"),
        ("type=edge", github("push", "refs/heads/x"), "the branch is x, not master"),
        ("type=ref,event=branch", V1, "what is built is no branch"),
        ("type=ref,event=tag", MASTER, "what is built is no git tag"),
        ("type=ref,event=pr", MASTER, "what is built is no pull or merge request"),
        ("type=raw,value={{tag}}", MASTER, "it comes to an empty text"),
        ("type=raw,value=", MASTER, "it comes to an empty text"),
        ("type=sha", Context(ref="refs/heads/x"), "the commit is not known"),
        ("type=raw,value=x,enable=false", MASTER, "`enable` is false"),
    ],
)
def test_a_rule_that_is_not_for_this_build_says_why(rule: str, context: Context, reason: str) -> None:
    (outcome,) = made([rule], context).outcomes
    assert (outcome.tag, outcome.message, outcome.severity) == ("", reason, Severity.INFO)


@pytest.mark.parametrize(
    ("rule", "context", "warning"),
    [
        ("type=semver,pattern={{version}}", tagged("x"), "'x' is not a version of semver.org: the rule gives no tag"),
        ("type=pep440,pattern={{version}}", tagged("x"), "'x' is not a version of PEP 440: the rule gives no tag"),
        ("type=match,pattern=y", tagged("x"), "'y' does not match 'x': the rule gives no tag"),
        ("type=match,pattern=x,group=1", tagged("x"), "'x' finds no group 1 in 'x': the rule gives no tag"),
        ("type=edge", Context(ref="refs/heads/x"), "the default branch is not known here: the rule gives no tag"),
    ],
)
def test_a_rule_that_fails_for_this_build_is_worth_a_warning(rule: str, context: Context, warning: str) -> None:
    (outcome,) = made([rule], context).outcomes
    assert (outcome.tag, outcome.message, outcome.severity) == ("", warning, Severity.WARNING)
    assert outcome.hint


def test_a_match_in_vain_is_worth_a_warning_and_gives_a_tag() -> None:
    (outcome,) = made(["type=semver,pattern={{version}},match=app/(.*)"], V1).outcomes
    assert (outcome.tag, outcome.severity) == ("1.2.3", Severity.WARNING)


def test_the_date_of_a_commit_that_is_not_known_is_an_error() -> None:
    (outcome,) = made(["type=raw,value={{commit_date 'YYYY'}}"], MASTER).outcomes
    assert (outcome.severity, outcome.message) == (Severity.ERROR, "the date of the commit is not known here")


REFS = st.one_of(
    st.text(max_size=200),
    st.from_regex(r"v?[0-9]{1,3}(\.[0-9]{1,3}){0,3}([-+.]?[a-z0-9.+-]{0,10})?", fullmatch=True),
)


@settings(deadline=None)
@given(
    REFS,
    st.sampled_from(["refs/heads/", "refs/tags/", "refs/pull/", ""]),
    st.text(max_size=12),
    st.sampled_from(["auto", "true", "false"]),
)
def test_whatever_the_ref_is_a_rule_gives_a_tag_or_says_why_not(name: str, kind: str, affix: str, latest: str) -> None:
    """And so no text that is no tag ever comes out, whatever people call their branches."""
    context = Context(provider="github", event="push", ref=kind + name, commit=COMMIT)
    rules = ("type=ref,event=branch,suffix=-{{branch}}", "type=raw,value={{tag}}{{branch}}{{base_ref}}", *ALL)
    try:
        result = made(rules, context, {"prefix": affix.replace("{", ""), "latest": latest})
    except UsageError:
        return  # `latest` itself cannot be a tag with this affix
    for outcome in result.outcomes:
        assert outcome.tag or outcome.message
        assert not outcome.tag or parse_tag(outcome.tag)
    assert all(parse_tag(tag) for tag in result.tags)
    assert len(set(result.tags)) == len(result.tags)
    assert {outcome.tag for outcome in result.outcomes if outcome.tag} <= set(result.tags)


@settings(deadline=None)
@given(st.text())
def test_sanitizing_leaves_no_character_that_no_tag_has(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]*", sanitized(text))
    assert sanitized(sanitized(text)) == sanitized(text)
