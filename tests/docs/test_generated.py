"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocibuild import errors
from ocibuild.cli.app import COMMANDS
from ocibuild.spec.scope import CI_FACTS, GIT_FACTS
from tests.cli.program import ROOT, succeed, write_tree
from tests.docs.sandbox import git_project

DOCS = ROOT / "docs"
LAYER = {"files": [{"directory": True, "to": "/srv"}]}


@pytest.mark.parametrize("name", ["spec", "cli"])
def test_a_page_is_as_its_script_makes_it(name: str) -> None:
    page = runpy.run_path(str(DOCS / f"make_{name}.py"))[f"{name}_page"]()
    assert (DOCS / f"{name}.md").read_text("utf-8") == page, f"run `python docs/make_{name}.py`"


def test_the_example_is_valid_and_shows_every_key(tmp_path: Path) -> None:
    example = (DOCS / "spec-example.yaml").read_text("utf-8")
    files = {"defaults.yaml": "apiVersion: ocibuild/v1\nbase: ghcr.io/octocat/base:1\n"}
    write_tree(tmp_path, files)
    (tmp_path / "a").mkdir()
    git_project(tmp_path / "a", {"spec.yaml": example, "conf/app.ini.j2": "{{ version }}"})
    succeed("render", "-f", "spec.yaml", cwd=tmp_path / "a")
    shown = set(re.findall(r"([\w-]+):(?:\s|$)", example))
    schema = json.loads((ROOT / "schemas/ocibuild.v1.json").read_text())
    assert set(schema_keys(schema)) - shown == set()


def test_templates_give_what_is_shown(tmp_path: Path) -> None:
    table = (DOCS / "spec.md").read_text("utf-8").partition("| template | gives |")[2].partition("\n\n")[0]
    shown = re.findall(r"^\| `(.*?)` \| `(.*?)` \|$", table, re.MULTILINE)
    assert len(shown) == len(table.splitlines()) - 2 >= 8
    labels = {f"l{number}": template.replace("\\|", "|") for number, (template, _) in enumerate(shown)}
    spec = {"apiVersion": "ocibuild/v1", "vars": {"version": "1.2.3-rc.1"}, "labels": labels, "layers": [LAYER]}
    write_tree(tmp_path, {"ocibuild.yaml": json.dumps(spec)})
    (rendered,) = succeed("render", "--json", cwd=tmp_path).json["specs"]
    assert list(rendered["labels"].values()) == [result for _, result in shown]


def test_all_facts_that_templates_know_are_named() -> None:
    pages = (DOCS / "spec.md").read_text("utf-8"), (DOCS / "tags.md").read_text("utf-8")
    section = pages[0].partition("## Templates")[2].partition("\n## ")[0]
    assert [name for name in GIT_FACTS if f"`git.{name}`" not in section] == []
    table = pages[1].partition("| `ci.` |")[2].partition("\n\n")[0]
    assert [name for name in CI_FACTS if f"`{name}`" not in table] == []


def schema_keys(node: Any) -> Iterator[str]:
    """Every name of a property in a schema, at any depth."""
    if isinstance(node, dict):
        if isinstance(properties := node.get("properties"), dict):
            yield from properties
        for value in node.values():
            yield from schema_keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from schema_keys(value)


def test_every_key_has_a_meaning_and_an_example() -> None:
    sections = runpy.run_path(str(DOCS / "make_spec.py"))["sections"]()
    rows = [row for section in sections for row in section.rows]
    assert len(rows) > 100
    assert [row.path for row in rows if not row.meaning or not row.kind] == []
    # An example of what has keys of its own is in those.
    below = {row.path.rpartition(".")[0].rstrip("[]").removesuffix(".NAME") for row in rows}
    assert [row.path for row in rows if not row.example and row.path not in below] == []


def test_the_exit_codes_are_complete() -> None:
    table = (DOCS / "cli.md").read_text("utf-8").partition("| exit code | means |")[2].partition("\n\n")[0]
    shown = {int(number) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for number in cell.split(",")}
    raised = {
        cls.exit_code
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.OcibuildError)
    }
    assert shown == raised | {0, 130, 143}


def test_every_command_has_an_anchor() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"\n## ocibuild {name}\n" not in page] == []


def test_the_picture_of_a_terminal_shows_what_is_printed() -> None:
    script = runpy.run_path(str(DOCS / "make_terminal.py"))
    made, kept = (sorted(_without_digests(text)) for text in (script["terminal_picture"](), _terminal()))
    assert made == kept, "run `python docs/make_terminal.py`"


def _terminal() -> str:
    return (DOCS / "terminal.svg").read_text("utf-8")


def _without_digests(picture: str) -> list[str]:
    """The lines, with neither digests and sizes, nor their places: threads end in any order."""
    return [re.sub(r'[0-9a-f]{64}|\d+B|y="\d+"', "", line) for line in picture.splitlines()]


def test_the_picture_of_a_terminal_loads_nothing() -> None:
    assert re.findall(r"https?://[^\"]+|@import|url\(|<script", _terminal()) == ["http://www.w3.org/2000/svg"]
