"""`tags`, `flavor` and --tag: what of them is a rule, whose names are whose, and what comes of rules."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.ci.context import Context
from ocibuild.ci.tag_rules import make_tags
from ocibuild.errors import UsageError
from ocibuild.findings import Severity
from ocibuild.spec.load import Facts, Overrides, render_specs
from ocibuild.spec.tag_rules import attributes_of, is_rule, tag_rule
from ocibuild.tagging import Flavor, MadeTags, Ruling, TagRule, TagType
from tests.ci.rules import NOW, github, tagged
from tests.spec.specs import HEAD, findings_of, load, no_git, plan_of, write

MASTER, V1 = github("push", "refs/heads/master"), tagged("v1.2.3")


def built_from(context: Context) -> Facts:
    """What a spec knows where `context` began the build."""

    def make(rules: Sequence[TagRule], flavor: Flavor, directory: Path) -> MadeTags:
        assert directory.is_dir()
        return make_tags(rules, flavor, context, NOW)

    return Facts({}, no_git, lambda directory: context.facts(), make)


def refuse(rules: Sequence[TagRule], flavor: Flavor, directory: Path) -> MadeTags:
    raise AssertionError("no rule of this spec depends on the build")


def tags_of(directory: Path, body: str, context: Context = V1, *asked: str) -> str:
    return " ".join(plan_of(directory, body, Overrides(tags=asked), built_from(context)).tags)


@pytest.mark.parametrize(
    ("entry", "tags"),
    [
        ("type=semver,pattern={{version}}", "1.2.3 latest"),
        ("{type: semver, pattern: '{{version}}'}", "1.2.3 latest"),
        ("'type=semver, pattern={{major}}.{{minor}}'", "1.2 latest"),
        ("TYPE=semver,Pattern={{version}}", "1.2.3 latest"),
        ("'{{ 1 }}.{{ 2 }}'", "1.2"),
        ("{type: ref, event: tag, priority: 3, prefix: 1}", "1v1.2.3 latest"),
        ("{type: match, pattern: 'v(\\d{1,3})', group: 1}", "1 latest"),
        ("'type=match,\"pattern=v(\\d{1,3})\",group=1'", "1 latest"),
        ("{type: sha, enable: true}", "sha-860c190"),
        ("{type: sha, enable: no}", None),
        ("{type: sha, format: long, prefix: ''}", "860c1904a1ce19322e91ac35af1ab07466440c37"),
        ("value=x", "x"),
        ("value=1.10", "1.10"),
        ("{type: raw, value: 1.10}", "1.10"),
    ],
)
def test_an_entry_is_a_tag_or_a_rule_as_text_or_as_a_map(tmp_path: Path, entry: str, tags: str | None) -> None:
    body = f"tags:\n  - {entry}\n"
    if tags is None:
        (finding,) = findings_of(tmp_path, body, Overrides(), built_from(V1))
        assert (finding.rule, finding.message) == ("spec-bad-tag", "`enable` has to be true or false, not 'no'")
    else:
        assert tags_of(tmp_path, body) == tags


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.0", False),
        ("{{ version | default('a=b') }}", False),
        ("{% if a == b %}x{% endif %}", False),
        ("type=sha", True),
        ("x{{ a }}=", True),
    ],
)
def test_a_rule_is_told_by_its_equals_sign_outside_of_templates(text: str, expected: bool) -> None:
    assert is_rule(text) is expected


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("type=raw,foo", {"type": "raw", "value": "foo"}),
        ("foo,type=raw", {"type": "raw", "value": "foo"}),
        ("type=raw, value = a=b ", {"type": "raw", "value": "a=b"}),
        ("type=raw,,value=,", {"type": "raw", "value": ""}),
        ("type=raw,value={{date 'YYYY,MM'}}", {"type": "raw", "value": "{{date 'YYYY,MM'}}"}),
        ('type=raw,"value=a,""b"""', {"type": "raw", "value": 'a,"b"'}),
        ('type=raw,value=a"b', {"type": "raw", "value": 'a"b'}),
        ("type=raw,value={{a,b", {"type": "raw", "value": "b"}),
    ],
)
def test_the_fields_of_a_rule_are_those_of_csv(text: str, attributes: dict[str, str]) -> None:
    assert attributes_of(text) == attributes


def test_names_of_rules_are_theirs_and_all_others_those_of_the_spec(tmp_path: Path) -> None:
    body = (
        "vars: {version: 9.9.9, branch: mine, kind: slim}\n"
        "tags:\n"
        "  - type=semver,pattern={{version}}-{{ kind }}\n"  # in a pattern, `version` is that of the git tag
        "  - type=raw,value=v{{ version }}\n"  # and here the variable
        "  - type=raw,value=b{{branch}}\n"
        "  - type=raw,value={{ kind | upper }}-{{ ci.tag }}{{sha}}\n"
        "  - type=raw,value=on,enable={{ kind == 'slim' }}\n"
        "  - type=raw,value=off,enable={{ kind == 'fat' }}\n"
    )
    assert tags_of(tmp_path, body) == "1.2.3-slim v9.9.9 b SLIM-v1.2.3860c190 on latest"


@pytest.mark.parametrize(
    ("value", "tag"), [(r"\0007\0", "av1.2.3-007-b"), (r"\0\0", "av1.2.3-b"), ("{{ v }}", "av1.2.3-000-b")]
)
def test_no_value_passes_for_an_expression(tmp_path: Path, value: str, tag: str) -> None:
    body = f'vars: {{v: "\\0000\\0"}}\ntags: ["type=raw,value=a{{{{tag}}}}{value}b"]\n'
    assert tags_of(tmp_path, body) == tag


def test_a_value_of_a_variable_adds_no_attribute(tmp_path: Path) -> None:
    body = "vars: {name: 'x,priority=1000,prefix=p'}\ntags: ['type=raw,value={{ name }}', '{{ name }}']\n"
    (finding,) = findings_of(tmp_path, body, Overrides(), built_from(V1))
    assert finding.message == "'x,priority=1000,prefix=p' is not a tag"  # of the second entry, which is no rule
    assert tags_of(tmp_path, body.partition(", '{{")[0] + "]\n") == "x-priority-1000-prefix-p"


def test_without_rules_the_tags_are_as_written_and_nothing_is_asked(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "tags: [b, latest, a]\n", given=Facts({}, no_git, tags=refuse))
    assert plan.tags == ("b", "latest", "a")
    assert plan.rulings == (Ruling("b", "b"), Ruling("latest", "latest"), Ruling("a", "a"))


def test_tags_beside_rules_have_the_place_of_raw_ones(tmp_path: Path) -> None:
    body = "tags: [type=sha, x, 'type=semver,pattern={{version}}']\n"
    assert tags_of(tmp_path, body) == "1.2.3 x sha-860c190 latest"


@pytest.mark.parametrize(
    ("flavor", "tags"),
    [
        ("{latest: true}", "x latest"),
        ("{latest: 'true', suffix: -slim, onlatest: [suffix]}", "x-slim latest-slim"),
        ("{prefix: '{{ kind }}-{{tag}}-'}", "slim-v1.2.3-x"),
        ("{latest: false}", "x"),
    ],
)
def test_a_flavor_goes_for_plain_tags_too(tmp_path: Path, flavor: str, tags: str) -> None:
    assert tags_of(tmp_path, f"vars: {{kind: slim}}\ntags: [x]\nflavor: {flavor}\n") == tags


@pytest.mark.parametrize(
    ("asked", "tags"),
    [
        (("type=sha",), "sha-860c190-s"),
        (("2", "type=semver,pattern={{version}}"), "1.2.3-s 2 latest"),
        (("2",), "2"),  # exactly what was asked for, without the flavor
        (("2", "3"), "2 3"),
        (("quay.io/a/b",), "1.2.3-s latest"),
        (("type=raw,value={{ kind }}",), "slim-s"),
    ],
)
def test_tag_options_take_the_place_of_rules(tmp_path: Path, asked: tuple[str, ...], tags: str) -> None:
    body = "vars: {kind: slim}\ntags: ['type=semver,pattern={{version}}']\nflavor: {suffix: -s}\n"
    assert tags_of(tmp_path, body, V1, *asked) == tags


@pytest.mark.parametrize("asked", ["type=semvr", "type=sha,x=y", "type=raw,value={{ nobody }}", "type=match,pattern=("])
def test_a_tag_option_that_is_no_rule(tmp_path: Path, asked: str) -> None:
    (finding,) = findings_of(tmp_path, "", Overrides(tags=(asked,)), built_from(V1))
    assert (finding.rule, str(finding.place)) == ("spec-tag-rule", "--tag")


def test_a_rule_that_yaml_takes_apart_is_told_to_be_quoted(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, "tags: [type=ref,event=branch]\n", Overrides(), built_from(V1))
    assert [finding.message for finding in findings] == [
        "a rule of type ref needs `event`",
        "`event` is not an attribute of a rule of type raw",
    ]
    assert findings[1].hint == "begin with `type=`; between [ ], quote a rule that has commas"


def test_a_rule_is_one_line(tmp_path: Path) -> None:
    (finding,) = findings_of(tmp_path, "tags:\n  - |\n    type=sha\n    type=edge\n", Overrides(), built_from(V1))
    assert (finding.message, finding.hint) == ("a rule is one line", "write an entry of the list for each")
    assert tags_of(tmp_path, "tags:\n  - |\n    type=sha\n") == "sha-860c190"


def test_a_key_without_a_value_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    (finding,) = findings_of(tmp_path, "tags: [{type: sha, prefix: }]\n", Overrides(), built_from(V1))
    assert finding.message == "`prefix` has no value"
    assert tags_of(tmp_path, "tags: [{type: sha, prefix: ''}]\n") == "860c190"


def test_what_each_entry_came_to_is_remembered(tmp_path: Path) -> None:
    body = "tags: [x, {type: ref, event: branch}, 'type=semver,pattern={{version}}']\n"
    plan = plan_of(tmp_path, body, given=built_from(V1))
    assert plan.rulings == (
        Ruling("x", "x"),
        Ruling("type=ref,event=branch", "", "what is built is no branch"),
        Ruling("type=semver,pattern={{version}}", "1.2.3"),
    )
    assert plan.warnings == ()


def test_a_rule_that_fails_is_a_warning_at_its_place(tmp_path: Path) -> None:
    body = "image: ghcr.io/o/n\ntags:\n  - x\n  - type=semver,pattern={{version}}\n"
    plan = plan_of(tmp_path, body, given=built_from(tagged("nightly")))
    (warning,) = plan.warnings
    assert (warning.rule, warning.severity) == ("spec-tag-rule", Severity.WARNING)
    assert str(warning.place).endswith("ocibuild.yaml:5:5")
    assert plan.tags == ("x",)


def test_all_that_make_no_tag_are_errors_at_their_places(tmp_path: Path) -> None:
    body = f"tags:\n  - type=raw,value=-x\n  - type=ref,event=tag\n  - type=raw,value={'y' * 129}\n"
    findings = findings_of(tmp_path, body, Overrides(), built_from(V1))
    assert [str(finding.place).rpartition("yaml:")[2] for finding in findings] == ["3:5", "5:5"]
    assert {finding.rule for finding in findings} == {"spec-bad-tag"}


def test_what_is_needed_and_not_known_is_an_error_of_the_tags(tmp_path: Path) -> None:
    def unknown(rules: Sequence[TagRule], flavor: Flavor, directory: Path) -> MadeTags:
        raise UsageError("there is no git commit here", hint="check out")

    (finding,) = findings_of(tmp_path, "tags: [type=sha]\n", Overrides(), Facts({}, no_git, tags=unknown))
    assert (finding.rule, finding.message, finding.hint) == (
        "spec-tag-rule",
        "there is no git commit here",
        "check out",
    )


def test_rules_that_give_no_tag_leave_the_image_without_one(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, "image: ghcr.io/o/n\ntags: ['type=semver,pattern={{version}}']\n", given=built_from(MASTER)
    )
    assert (plan.tags, plan.references) == ((), ())


@pytest.mark.parametrize(("context", "tags"), [(V1, ["1.2.3", "latest"]), (MASTER, [])])
def test_rendered_specs_have_tags_in_place_of_rules(tmp_path: Path, context: Context, tags: list[str]) -> None:
    body = (
        "image: ghcr.io/o/n\nbase: ghcr.io/o/b:1\ntags: ['type=semver,pattern={{version}}']\nflavor: {latest: auto}\n"
    )
    (document,) = render_specs([write(tmp_path, HEAD + body)], Overrides(), built_from(context))
    assert document["tags"] == tags
    assert "flavor" not in document
    write(tmp_path, "\n".join(f"{key}: {value!r}" for key, value in document.items()))
    assert plan_of(tmp_path, body, given=built_from(context)).tags == tuple(tags)


def test_the_images_of_a_matrix_have_tags_of_their_own(tmp_path: Path) -> None:

    body = (
        "matrix: {kind: [slim, full]}\nimage: ghcr.io/o/n\nbase: ghcr.io/o/b:1\n"
        "tags: ['type=ref,event=branch', 'type=semver,pattern={{version}}']\n"
        "flavor: {suffix: '-{{ kind }}', onlatest: [suffix]}\n"
    )
    plans = load(tmp_path, body, given=built_from(V1))
    assert [plan.tags for plan in plans] == [("1.2.3-slim", "latest-slim"), ("1.2.3-full", "latest-full")]


def test_images_that_have_no_tag_here_cannot_share_a_repository(tmp_path: Path) -> None:
    body = "matrix: {kind: [a, b]}\nimage: ghcr.io/o/n\ntags: ['type=semver,pattern={{version}},suffix=-{{ kind }}']\n"
    (finding,) = findings_of(tmp_path, body, Overrides(), built_from(MASTER))
    assert finding.rule == "spec-duplicate-image"
    assert "no rule of `tags` gives one here" in (finding.hint or "")


def test_what_began_a_build_gets_into_an_image_only_where_the_spec_names_it(tmp_path: Path) -> None:
    body = "image: ghcr.io/o/n\nbase: ghcr.io/o/b:1\ntags: [type=sha]\nlabels: {a: '{{ a }}'}\nvars: {a: x}\n"
    plain = plan_of(tmp_path, body, given=built_from(V1))
    other = plan_of(tmp_path, body, given=built_from(MASTER))
    assert plain.platforms == other.platforms
    named = plan_of(tmp_path, body.replace("{a: x}", "{a: '{{ ci.ref }} {{ ci.provider }}'}"), given=built_from(V1))
    assert named.platforms[0].labels == (("a", "refs/tags/v1.2.3 github"),)


RULES = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            ["type=", *TagType, ",", '"', "=", "{{", "}}", "{%", "pattern=", "value=", "group=1", "date 'Y'", "tag", "(", "\0", "/i"]
        ),
        max_size=12,
    ).map("".join),
)  # fmt: skip


@settings(deadline=None)
@given(RULES)
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert tag_rule(attributes_of(text), str).type in TagType
