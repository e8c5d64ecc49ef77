"""Templates: what they can do, what they refuse, and that a value never becomes structure."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.oci.platform import Platform
from ocibuild.spec.items import read_below
from ocibuild.spec.load import Facts, Overrides, load_plans
from ocibuild.spec.scope import Scope
from ocibuild.spec.template_language import FILTERS, METHODS, Budget, TemplateError
from ocibuild.spec.templates import render
from tests.spec.specs import HEAD, facts, findings_of, plan_of, write

VARIABLES = {"version": "1.10.3-rc1", "names": "a,b,c", "empty": ""}
GIT = {"commit": "0123456789abcdef", "branch": "main"}


def scope(**variables: str) -> Scope:
    platform = Platform("linux", "arm64", "v8")
    return Scope({**VARIABLES, **variables}, lambda: GIT, unset=frozenset({"unset"}), platform=platform)


def rendered(text: str, *, is_file: bool = False, **variables: str) -> str:
    return render(text, scope(**variables), Budget(), is_file=is_file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ version }}", "1.10.3-rc1"),
        ("v{{version}}-{{ platform.arch }}", "v1.10.3-rc1-arm64"),
        ("{{ platform.os }}/{{ platform.architecture }}/{{ platform.variant }}", "linux/arm64/v8"),
        ("{{ platform['os'] }}", "linux"),
        ("[{{ platform.os_version }}]", "[]"),
        ("{{ git.commit[:7] }}", "0123456"),
        ("{{ git.tag | default('none') }}", "none"),
        ("{{ unset | default('none') }}", "none"),
        ("{{ empty | default('none', true) }}", "none"),
        ("{% if unset is defined %}yes{% else %}no{% endif %}", "no"),
        ("{{ version.split('.')[0] }}.{{ version.split('.')[1] }}", "1.10"),
        ("{{ version | replace('.', '_') | upper }}", "1_10_3-RC1"),
        ("{{ version.removesuffix('-rc1') }}", "1.10.3"),
        ("{{ names.split(',') | join(' ') }}", "a b c"),
        ("{{ names.split(',') | length }}", "3"),
        ("{{ names.split(',') | first }}{{ names.split(',') | last }}", "ac"),
        ("{{ version.startswith('1.') }}", "true"),
        ("{{ 'pre' if '-' in version else 'final' }}", "pre"),
        ("{{ version ~ '+' ~ names }}", "1.10.3-rc1+a,b,c"),
        ("{{ version + names }}", "1.10.3-rc1a,b,c"),
        ("{{ version.split('.')[1] | int + 1 }}", "11"),
        ("{{ 3 - 5 }}", "-2"),
        ("{% for name in names.split(',') %}{{ loop.index }}{{ name }}{% endfor %}", "1a2b3c"),
        ("{% set major = version.split('.')[0] %}{{ major }}", "1"),
        ("{{ '{{' }} {% raw %}{{ x }}{% endraw %}", "{{ {{ x }}"),
        ("{{ 'say \"hi\"' | tojson }}", '"say \\"hi\\""'),
        ("{{ empty }}", ""),
        ("echo ${#names} {{ version }}", "echo ${#names} 1.10.3-rc1"),
        ("{{ version }}\n\n", "1.10.3-rc1\n\n"),
        ("{{ version }}\r\nend\r\n", "1.10.3-rc1\r\nend\r\n"),
    ],
)
def test_what_templates_give(text: str, expected: str) -> None:
    assert rendered(text) == expected


def test_comments_are_for_template_files() -> None:
    assert rendered("a{# not shown #}b {{ version }}", is_file=True) == "ab 1.10.3-rc1"
    assert rendered("a{# shown #}b {{ version }}") == "a{# shown #}b 1.10.3-rc1"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ version.__class__.__mro__ }}",
        "{{ version['__class__'] }}",
        "{{ version.format(version) }}",
        "{{ '{0.__class__}'.format(version) }}",
        "{{ platform.__init__ }}",
        "{{ platform.values }}",
        "{{ git['__class__'] }}",
        "{{ loop }}",
        "{{ self }}",
        "{{ range(3) }}",
        "{{ lipsum(n=100000) }}",
        "{{ cycler(1) }}",
        "{{ namespace() }}",
        "{{ dict(a=1) }}",
        "{{ version() }}",
        "{{ version.split }}",
        "{{ platform }}",
        "{{ names.split(',') }}",
        "{{ none }}",
        "{{ 1.5 }}",
        "{{ version | attr('__class__') }}",
        "{{ version | map('upper') }}",
        "{{ names.split(',') | sort }}",
        "{% for x in names recursive %}{{ loop(names) }}{% endfor %}",
        "{% for x in platform %}{% endfor %}",
        "{% for x in names %}{{ loop.cycle('a', 'b') }}{% endfor %}",
        "{% macro f() %}{% endmacro %}{{ f() }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set x %}y{% endset %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% call x() %}{% endcall %}",
        "{{ {'a': 1} }}",
        "{{ version.split('.')[9] }}",
        "{{ version[1.5] }}",
        "{{ version + 1 }}",
        "{{ unset }}",
        "{{ unset + 'x' }}",
        "{{ unset.upper() }}",
        "{{ unset | upper }}",
        "{{ unset ~ 'x' }}",
        "{{ unset == 'x' }}",
        "{% for x in unset %}{% endfor %}",
        "{% if unset %}{% endif %}",
        "{{ version | join(unset) }}",
        "{{ ci.run }}",
        "{{ environ }}",
        "{% endfor %}",
        "{{ version",
        "{% if version %}",
        "{{ version.split(1, 2, 3, 4) }}",
        "{% for a, b in names.split(',') %}{% endfor %}",
        "{{ version }}\r\n\n",
    ],
)
def test_what_templates_cannot_do(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(text)
    assert caught.value.hint


BOMBS = [
    "{{ 'a' * 100000000 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ 'x'.ljust(1000000000) }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ '\\t'.expandtabs(1000000000) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ 'x' | indent(1000000000) }}",
    "{{ 'a'.zfill(1000000000) }}",
    "{{ 1 << 10000000000 }}",
    "{{ range(1000000000000) | list }}",
    "{% for x in range(1000000000000) %}{% endfor %}",
    "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "{% set x = 'a' %}" + "{% for i in long %}{% set x = x ~ x %}" * 3 + "{% endfor %}" * 3,
    "{{ " + "9" * 100_000 + " }}",
    "{{ 'a'" + ".replace('a', 'aaaaaaaaaa')" * 12 + " }}",
    "{{ 'a'" + " | replace('a', 'aaaaaaaaaa')" * 12 + " }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
    "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
    "{% set x = [x0] %}".replace("x0", "'aaaaaaaaaa', " * 9) + "{% set x = [x | join('a'), x | join('b')] %}" * 40,
    "{% set x = 1 %}" + "{% set x = x + x %}" * 80 + "{{ x }}",
    "{% for a in long %}{% for b in long %}{% for c in long %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in long %}" + "long text" * 1000 + "{% endfor %}",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ " + "not " * 5000 + "1 }}",
    "{{ " + "-" * 5000 + "1 }}",
    "{{ 1" + " + 1" * 5000 + " }}",
    "{{ version" + ".upper()" * 3000 + " }}",
    "{{ [" * 500 + "]}}" * 500,
    "{% if version %}" * 500 + "{% endif %}" * 500,
    "{% for x in names %}" * 30 + "{% endfor %}" * 30,
    "{{" * 50_000,
    "{{ x }}" * 20_000,
    "{% raw %}" * 20_000,
]


@pytest.mark.parametrize("text", BOMBS, ids=range(len(BOMBS)))
def test_bombs_are_refused_at_once(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemplateError):
        rendered(text, long="x" * 60_000)
    assert time.monotonic() - started < 5


def test_all_templates_of_a_spec_share_one_budget(tmp_path: Path) -> None:
    many = "".join(f'  label-{number}: "{{{{ long }}}}"\n' for number in range(1000))
    found = findings_of(tmp_path, f"vars: {{long: {'x' * 60_000}}}\nlabels:\n{many}")
    assert found[0].message == "the templates of this spec give far too much text"


def test_every_function_of_the_language_bounds_what_it_gives() -> None:
    longest = "a" * (1 << 16)
    for function in (*METHODS.values(), *FILTERS.values()):
        for arguments in ((longest,), (longest, "a"), (longest, "a", longest), (longest, "", longest)):
            try:
                result = function(*arguments)
            except (TemplateError, TypeError, ValueError):
                continue
            assert not isinstance(result, str) or len(result) <= 1 << 18


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(VALUES)
def test_a_value_stays_one_text_whatever_is_in_it(value: str) -> None:
    assert rendered("{{ value }}", value=value) == value
    assert rendered("<{{ value }}>{{ value }}", value=value) == f"<{value}>{value}"


INJECTIONS = [
    "a\nb: c",
    "]",
    "}",
    "', x: '",
    '"',
    "{{ version }}",
    "{% for %}",
    "# no",
    "&a *a",
    "- x",
    "",
    "\\",
    "${X}",
]


@pytest.mark.parametrize("value", INJECTIONS)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_value_never_becomes_structure(tmp_path: Path, value: str, quote: str) -> None:
    body = f"vars: {{value: {{env: VALUE, default: ''}}}}\nlabels: {{a: {quote}{{{{ value }}}}{quote}, b: x}}\n"
    plan = plan_of(tmp_path, body, given=facts({"VALUE": value}))
    assert plan.platforms[0].labels == (("a", value), ("b", "x"))


def test_git_is_asked_once_a_file_and_only_if_named(tmp_path: Path) -> None:
    asked: list[Path] = []

    def git(directory: Path) -> dict[str, str]:
        asked.append(directory)
        return GIT

    body = 'base: a/b\nimage: "ghcr.io/o/{}"\ntags: ["{{{{ git.branch }}}}", "{{{{ git.commit }}}}"]\n'
    both = write(tmp_path, HEAD + body.format("one") + "---\n" + HEAD + body.format("two"), "a.ocibuild.yaml")
    none = write(tmp_path, HEAD + "base: a/b\nimage: a/c\n", "b.ocibuild.yaml")
    load_plans([both, none], Overrides(), Facts({}, git))
    assert asked == [tmp_path]


def test_a_template_file_becomes_text_with_its_own_places(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    write(tmp_path / "conf", "port = {{ port }}\r\n{# c #}arch = {{ platform.arch }}\r\n", "app.j2")
    body = "vars: {port: 8080}\nlayers:\n  - files: [{template: conf/app.j2, to: /etc/app}]\n"
    (layer,) = plan_of(tmp_path, body).platforms[0].layers
    assert "b'port = 8080\\r\\narch = amd64\\r\\n'" in repr(layer)
    write(tmp_path / "conf", "one\ntwo {{ port }}\n  {{ prot }} {{ host }}\n", "app.j2")
    found = findings_of(tmp_path, body)
    file = tmp_path / "conf" / "app.j2"
    assert [str(finding.place) for finding in found] == [f"{file}:3:6", f"{file}:3:17"]
    assert found[0].hint == "did you mean `port`?"


@pytest.mark.parametrize("kind", ["link out", "directory", "fifo", "link loop", "not utf-8", "too large"])
def test_template_files_that_are_none(tmp_path: Path, kind: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("secret")
    target = inside / "t.j2"
    if kind == "link out":
        target.symlink_to("../secret")
    elif kind == "directory":
        target.mkdir()
    elif kind == "fifo":
        os.mkfifo(target)
    elif kind == "link loop":
        target.symlink_to("t.j2")
    else:
        target.write_bytes(b"\xff" if kind == "not utf-8" else b"x" * (2 << 20))
    (finding,) = findings_of(inside, "layers:\n  - files: [{template: t.j2, to: /t}]\n")
    assert finding.place is not None
    assert "secret" not in finding.message


def test_a_template_may_be_a_link_within_the_directory(tmp_path: Path) -> None:
    (tmp_path / "real.j2").write_text("{{ platform.os }}")
    (tmp_path / "t.j2").symlink_to("real.j2")
    plan = plan_of(tmp_path, "layers:\n  - files: [{template: t.j2, to: /t}]\n")
    assert "b'linux'" in repr(plan.platforms[0].layers)


def test_a_template_is_read_where_it_was_found_and_nowhere_else(tmp_path: Path) -> None:
    """As when a directory or the file itself is swapped after it was looked at."""
    spec = tmp_path / "spec"
    for directory, text in ((tmp_path / "outside", "SECRET"), (spec / "conf", "inside")):
        directory.mkdir(parents=True)
        (directory / "app.ini").write_text(text)
    assert read_below(str(spec), "conf/app.ini") == b"inside"
    (spec / "link").symlink_to("../outside")
    (spec / "conf" / "link").symlink_to("../../outside/app.ini")
    for path in ("link/app.ini", "conf/link"):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels of symbolic links"):
            read_below(str(spec), path)
    os.mkfifo(spec / "pipe")
    assert read_below(str(spec), "pipe") is None
    assert read_below(str(spec), "conf") is None
