"""Files, directories and documents; variables; rendered specs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ocibuild.errors import NotFoundError, SpecError
from ocibuild.spec.load import Facts, Overrides, find_specs, load_plans, render_specs
from tests.spec.specs import HEAD, facts, findings_of, load, plan_of, write


def test_the_specs_of_a_directory(tmp_path: Path) -> None:
    wanted = ["a/ocibuild.yml", "b/.ocibuild.yaml", "b/x.ocibuild.yaml", "ocibuild.yaml"]
    others = ["a/other.yaml", "b/ocibuild.yaml.bak", ".git/ocibuild.yaml", "b/myocibuild.yaml", "ocibuild.json"]
    for name in (*wanted, *others):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "ocibuild.yaml").mkdir()
    assert find_specs([tmp_path]) == [tmp_path / name for name in wanted]
    assert find_specs([tmp_path / "b", tmp_path / "any.name", tmp_path]) == [
        *(tmp_path / name for name in ("b/.ocibuild.yaml", "b/x.ocibuild.yaml", "any.name", "a/ocibuild.yml")),
        tmp_path / "ocibuild.yaml",
    ]
    with pytest.raises(SpecError) as caught:
        find_specs([tmp_path / "c"])
    assert caught.value.findings[0].rule == "spec-not-found"


def test_several_documents_and_files_are_several_images(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    text = f"{HEAD}image: a/one\nbase: x/y\n---\n{HEAD}image: a/two\nlayers: [{{archive: l.tar}}]\n---\n"
    write(tmp_path, text)
    write(tmp_path / "sub", f"{HEAD}image: a/three\nbase: oci:base\n", "x.ocibuild.yaml")
    plans = load_plans([tmp_path], Overrides(), facts())
    assert [str(plan.image) for plan in plans] == [f"docker.io/a/{name}" for name in ("one", "two", "three")]
    assert str(plans[2].platforms[0].base) == f"oci:{tmp_path}/sub/base"


def test_findings_of_all_files_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    later, earlier = write(tmp_path, HEAD + "x: 1\n", "a.yaml"), write(tmp_path, "[", "b.yaml")
    missing = tmp_path / "c.yaml"
    with pytest.raises(SpecError) as caught:
        load_plans([missing, earlier, later], Overrides(), facts())
    rules = [(Path(finding.place.file).name, finding.rule) for finding in caught.value.findings if finding.place]
    assert rules == [("c.yaml", "spec-not-found"), ("b.yaml", "spec-yaml-syntax"), ("a.yaml", "spec-unknown-key")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"a": "x: 1\ny: 1"}, "a.ocibuild.yaml has 2 problems"),
        ({"a": "x: 1", "c": "y: 1"}, "2 files have 2 problems"),
        ({"a": "x: 1", "b": "x: 1", "c": "x: 1"}, "3 files have 3 problems"),
        ({"shared": "x: 1"}, "shared.yaml has one problem"),
    ],
)
def test_of_several_files_it_is_said_which_or_how_many_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, HEAD + wrong.pop("shared", ""), "shared.yaml")
    for name in "abc":
        body = f"extends: shared.yaml\nbase: a/b\ntags: [{name}]\n{wrong.get(name, '')}\n"
        write(tmp_path, HEAD + body, f"{name}.ocibuild.yaml")
    with pytest.raises(SpecError) as caught:
        load_plans([Path()], Overrides(), facts())
    assert caught.value.what == said


def test_of_what_a_shared_file_says_the_specs_are_named_that_it_is_wrong_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, HEAD + "image: a/{{ name }}\ntags: [x]\nplatforms: [linux/amd64, linux/arm64]\n", "shared.yaml")
    for name in "abcd":
        given = "" if name in "bc" else f"vars: {{name: {name}}}\n"
        write(tmp_path, f"{HEAD}extends: shared.yaml\nbase: a/b\n{given}", f"{name}.ocibuild.yaml")
    for paths, said in (([Path()], "; met in b.ocibuild.yaml, c.ocibuild.yaml"), ([Path("b.ocibuild.yaml")], "")):
        with pytest.raises(SpecError) as caught:
            load_plans(paths, Overrides(), facts())
        (finding,) = caught.value.findings
        assert finding.hint == f"declare it under `vars:`, as `name: ...`{said}"
    with pytest.raises(SpecError) as caught:
        load_plans([Path(f"{name}.ocibuild.yaml") for name in "abcd"], Overrides(sets={"name": "x", "y": "z"}), facts())
    hints = {one.rule: str(one.hint) for one in caught.value.findings}
    assert "met in" not in hints["spec-unknown-variable"]


def test_images_of_one_run_have_names_of_their_own(tmp_path: Path) -> None:
    first = write(tmp_path, HEAD + "image: a/b\ntags: [x, y]\nbase: c/d\n", "1.yaml")
    second = write(tmp_path, HEAD + "image: docker.io/a/b\ntags: [z, y]\nbase: c/d\n", "2.yaml")
    for read in (load_plans, render_specs):
        with pytest.raises(SpecError) as caught:
            read([first, second], Overrides(), facts())
        (finding,) = caught.value.findings
        assert finding.rule == "spec-duplicate-image"
        assert str(finding.place) == f"{second}:3:7"
        assert f"{first}:1" in finding.message
    assert load_plans([first, first], Overrides(), facts())


VARS = """vars:
  plain: 1.10
  given: {default: spec, env: GIVEN, description: what is given}
  derived: {default: "{{ plain }}-{{ given | upper }}"}
  bare:
    description: no value
labels: {a: "{{ plain }}", b: "{{ given }}", c: "{{ derived }}", d: "{{ bare | default('none') }}"}
"""


@pytest.mark.parametrize(
    ("sets", "environ", "expected"),
    [
        ({}, {}, ("1.10", "spec", "1.10-SPEC", "none")),
        ({}, {"GIVEN": "env", "PLAIN": "no", "plain": "no"}, ("1.10", "env", "1.10-ENV", "none")),
        ({}, {"GIVEN": ""}, ("1.10", "spec", "1.10-SPEC", "none")),
        ({"given": "set", "bare": "x"}, {"GIVEN": "env"}, ("1.10", "set", "1.10-SET", "x")),
        ({"vars.plain": "", "derived": "{{ plain }}"}, {}, ("", "spec", "{{ plain }}", "none")),
    ],
)
def test_where_variables_have_their_values_from(
    tmp_path: Path, sets: dict[str, str], environ: dict[str, str], expected: tuple[str, ...]
) -> None:
    plan = plan_of(tmp_path, VARS, Overrides(sets=sets), facts(environ))
    assert tuple(value for _, value in plan.platforms[0].labels) == expected


def test_a_required_variable_is_given(tmp_path: Path) -> None:
    body = "vars: {token: {env: TOKEN, required: true}}\nlabels: {a: '{{ token }}'}\n"
    for overrides, environ in ((Overrides(sets={"token": "x"}), {}), (Overrides(), {"TOKEN": "x"})):
        assert plan_of(tmp_path, body, overrides, facts(environ)).platforms[0].labels == (("a", "x"),)
    (finding,) = findings_of(tmp_path, body, given=facts({"TOKEN": ""}))
    assert finding.rule == "spec-required-variable"


def test_set_of_an_unknown_variable(tmp_path: Path) -> None:
    (finding,) = findings_of(tmp_path, VARS, Overrides(sets={"plian": "x"}))
    assert (finding.rule, str(finding.place), finding.hint) == (
        "spec-unknown-variable",
        "--set",
        "did you mean `plain`?",
    )


def test_set_may_be_for_one_of_several_specs(tmp_path: Path) -> None:
    body = f"vars: {{a: x}}\nimage: a/a\nbase: a/b\n---\n{HEAD}image: a/c\nbase: a/b\n"
    assert len(load(tmp_path, body, Overrides(sets={"a": "y"}))) == 2


def test_a_variable_cannot_use_those_below_it(tmp_path: Path) -> None:
    found = findings_of(tmp_path, "vars: {a: '{{ b }}', b: x}\nlabels: {l: '{{ a }}'}\n")
    assert [(finding.rule, str(finding.place).rpartition("yaml:")[2]) for finding in found] == [
        ("spec-undefined-variable", "2:15")
    ]


def test_trouble_with_git_stands_where_git_is_named(tmp_path: Path) -> None:
    def git(directory: Path) -> dict[str, str]:
        raise NotFoundError("this is no git repository", hint="run it inside one")

    path = write(tmp_path, HEAD + "base: a/b\nlabels: {a: '{{ git.commit }}'}\n")
    with pytest.raises(SpecError) as caught:
        load_plans([path], Overrides(), Facts({}, git))
    (finding,) = caught.value.findings
    assert (finding.message, finding.hint) == ("this is no git repository", "run it inside one")
    assert str(finding.place) == f"{path}:3:13"


def test_secrets_of_the_environment_are_in_no_message(tmp_path: Path) -> None:
    body = "vars: {token: {env: TOKEN}}\nimage: '{{ token | first }}/{{ nope }}'\nlabels: {a: '{{ token.split }}'}\n"
    found = findings_of(tmp_path, body, given=facts({"TOKEN": "s3cret", "OTHER": "s3cret"}))
    assert "s3cret" not in repr(found)


def test_rendered_specs_are_specs_again(tmp_path: Path) -> None:
    body = """vars: {v: 1.10}
image: a/b
tags: ["{{ v }}"]
compression: {type: zstd, level: 9}
labels: {level: 9, directory: true, size: 1, no: no, text: "{{ v }}"}
layers: [{files: [{directory: true, to: /a, mode: 0700}]}]
"""
    (document,) = render_specs([write(tmp_path, HEAD + body)], Overrides(), facts())
    assert document["compression"] == {"type": "zstd", "level": 9}
    assert document["layers"] == [{"files": [{"directory": True, "to": "/a", "mode": "0700"}]}]
    assert document["labels"] == {"level": "9", "directory": "true", "size": "1", "no": "no", "text": "1.10"}
    assert "vars" not in document
    again = write(tmp_path, yaml.safe_dump(document), "again.yaml")
    first = plan_of(tmp_path, body)
    (second,) = load_plans([again], Overrides(), facts())
    assert second == first


def test_a_spec_that_differs_by_platform_is_rendered_for_each(tmp_path: Path) -> None:
    body = "platforms: [linux/amd64, linux/arm64]\nbase: a/{{ platform.arch }}\n"
    documents = render_specs([write(tmp_path, HEAD + body)], Overrides(), facts())
    assert [(one["platforms"], one["base"]) for one in documents] == [
        (["linux/amd64"], "a/amd64"),
        (["linux/arm64"], "a/arm64"),
    ]
    with pytest.raises(SpecError):
        render_specs([write(tmp_path, HEAD + "base: '{{ x }}'\n")], Overrides(), facts())


@pytest.mark.parametrize(("template", "loaded"), [("x", set()), ("{{ v }}", {"jinja2"})])
def test_reading_a_spec_loads_only_what_it_needs(tmp_path: Path, template: str, loaded: set[str]) -> None:
    write(tmp_path, f"{HEAD}vars: {{v: x}}\nbase: a/b\nlabels: {{a: '{template}'}}\n")
    program = (
        "import sys; from pathlib import Path; from ocibuild.spec.load import *;"
        "print([m for m in ('yaml', 'jsonschema', 'jinja2') if m in sys.modules]);"
        "load_plans([Path(sys.argv[1])], Overrides(), Facts({}, lambda p: {}));"
        "print([m for m in ('jinja2', 'httpx', 'rich', 'click') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["[]", str(sorted(loaded))]
