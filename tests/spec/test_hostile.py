"""Specs that are meant to keep a machine busy or to fill its memory: read by a process of its own, which may take little of either."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ocibuild.spec.source import SIZE_LIMIT
from tests.spec.test_templates import BOMBS

MEMORY = 512 << 20  # of address space, Python and its libraries included
SECONDS = 60  # of CPU: what all this takes at most is 1 to 5, on an idle machine
HEAD = "apiVersion: ocibuild/v1\n"
READ = """
import json, sys
from pathlib import Path
from ocibuild.errors import SpecError
from ocibuild.spec.load import Facts, Overrides, load_plans
try:
    load_plans([Path(sys.argv[1])], Overrides(), Facts({}, lambda _: {}))
    found = []
except SpecError as error:
    found = [(finding.rule, finding.message) for finding in error.findings]
print(json.dumps(found))
"""
RENDER = """
import json, sys
from ocibuild.spec.scope import Scope
from ocibuild.spec.template_language import Budget, TemplateError
from ocibuild.spec.templates import render
for text in json.load(sys.stdin):
    try:
        render(text, Scope({"long": "x" * 60_000, "names": "a,b", "version": "1"}, dict), Budget())
    except TemplateError:
        continue
    sys.exit(f"rendered: {text[:60]}")
"""


def limited(code: str, *arguments: str | Path, given: str = "") -> str:
    """What a Python process with these limits prints."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    words = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, input=given, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def filled(begin: str, unit: str, end: str = "") -> str:
    """`unit` between `begin` and `end`, as often as a spec may be long."""
    begin = HEAD + begin
    return begin + unit * ((SIZE_LIMIT - len(begin) - len(end)) // len(unit)) + end


def numbered(begin: str, unit: str, end: str = "") -> str:
    """The same with a number in each unit."""
    return HEAD + begin + "".join(unit.format(number) for number in range(SIZE_LIMIT // (len(unit) + 6))) + end


SPECS = {
    "a key again and again": (filled("labels: {", "a: 1, ", "}"), "spec-duplicate-key", 1000),
    "merge keys": (filled("labels: {", "<<: 1, ", "}"), "spec-merge-key", 1000),
    "tags": (filled("tags: [", "!a b, ", "]"), "spec-tag", 1000),
    "aliases": (filled("a: &a [x]\nb: [", "*a, ", "]"), "spec-alias-expansion", 1),
    "aliases of aliases": (
        HEAD + "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 2000)),
        "spec-alias-expansion",
        1,
    ),
    "flow in flow": (filled("a: ", "["), "spec-too-deep", 1),
    "block in block": (filled("a:\n", "- "), "spec-too-deep", 1),
    "platforms": (numbered("image: a/b\nplatforms: [", "linux/x{}, ", "]"), "spec-bad-value", 1),
    "the same platform": (filled("image: a/b\nplatforms: [", "linux/amd64, ", "]"), "spec-duplicate-platform", 1000),
    "variables": (numbered("base: a/b\nvars: {", "v{}: x, ", "}"), "spec-bad-value", 1),
    "a matrix": (
        HEAD + "image: a/b\nbase: a/b\nmatrix: {" + "".join(f"m{n}: [a, b, c, d], " for n in range(100)) + "}",
        "spec-matrix",
        1,
    ),
    "names without a value": (filled("tags: [", "'{{ x }}', ", "]"), "spec-undefined-variable", 1000),
    "names in one template": (numbered("tags: ['", "{{{{ x{} }}}}", "']"), "spec-template-failed", 1),
    "braces without an end": (filled("tags: ['", "{{ ", "']"), "spec-template-failed", 1),
    "braces of a rule": (filled("tags: [{type: raw, value: '", "{{ ", "'}]"), "spec-tag-rule", 1),
    "braces of labels": (filled("labels: {a: '", "{{ ", "'}"), "spec-template-failed", 1),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_as_long_as_it_may_be_takes_little_memory_and_time(tmp_path: Path, name: str) -> None:
    text, rule, number = SPECS[name]
    path = tmp_path / "ocibuild.yaml"
    path.write_text(text)
    found = json.loads(limited(READ, path))
    assert rule in {rule for rule, _ in found}, found[:3]
    assert number <= len(found) <= 1000
    assert all(len(message) < 500 for _, message in found)


def test_template_bombs_take_little_memory() -> None:
    """All of them in one process. (That each is refused, and at once: `test_templates.py`.)"""
    limited(RENDER, given=json.dumps(BOMBS))
