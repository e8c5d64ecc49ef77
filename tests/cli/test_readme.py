"""The README is true: its specs are valid, its tables are complete. Its commands are run by tests/docs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocibuild import errors
from ocibuild.cli.app import COMMANDS
from ocibuild.spec.scope import GIT_FACTS
from tests.cli.conftest import Cli
from tests.cli.program import ROOT, write_tree
from tests.peers.programs import call

README = (ROOT / "README.md").read_text()


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


def blocks(mark: str) -> list[str]:
    """The fenced blocks that stand behind a `<!-- mark -->`."""
    return re.findall(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, re.DOTALL)


def test_the_library_does_what_the_command_does(cli: Cli, built: str, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = blocks("python")
    capsys.readouterr()
    exec(compile(text, "README.md", "exec"), {})
    assert capsys.readouterr().out == f"registry.example/team/app@{built}\n"


@pytest.mark.parametrize("text", blocks("spec"))
def test_specs_are_valid(cli: Cli, tmp_path: Path, text: str) -> None:
    for words in ("init -q", "-c user.name=a -c user.email=a@example.org commit -q --allow-empty -m one"):
        call("git", "-C", tmp_path, *words.split())
    shared = "apiVersion: ocibuild/v1\nbase: ghcr.io/octocat/base:1\n"
    write_tree(tmp_path, {"defaults.yaml": shared, "a/spec.yaml": text, "a/conf/app.ini.j2": "{{ version }}"})
    done = cli("render", "-f", tmp_path / "a/spec.yaml")
    assert done.status == 0, done.stderr


def test_every_key_of_the_schema_is_shown() -> None:
    assert len(blocks("spec")) == 4
    shown = set(re.findall(r"([\w-]+):(?:\s|$)", "".join(blocks("spec"))))
    schema = json.loads((ROOT / "schemas/ocibuild.v1.json").read_text())
    of_rules = schema["definitions"].pop("tagRule")["properties"]
    assert set(schema_keys(schema)) - shown == set()
    page = (ROOT / "docs/tags.md").read_text()  # which is about nothing else
    assert [key for key in of_rules if f"`{key}`" not in page and f"{key}=" not in page] == []


def test_the_command_table_is_complete() -> None:
    table = README.partition("| command | does |")[2].partition("\n\n")[0]
    named = {
        name for cell in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`([\w-]+)", cell)
    }
    assert named == set(COMMANDS)


def test_the_exit_codes_are_complete() -> None:
    table = README.partition("| exit code | means |")[2].partition("\n\n")[0]
    shown = {int(number) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for number in cell.split(",")}
    raised = {
        cls.exit_code
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.OcibuildError)
    }
    assert shown == raised | {0, 130, 143}


def test_the_module_table_is_complete() -> None:
    table = README.partition("| module | role |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([\w./]+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if "|" in row)))
    package = ROOT / "ocibuild"
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    packages = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert named - {""} == modules | packages, "one line for each module and package"


def test_all_facts_that_templates_know_are_named() -> None:
    paragraph = README.partition("Templates are Jinja")[2].partition("\n\n")[0]
    assert [name for name in GIT_FACTS if f"`{name}`" not in paragraph and f"`git.{name}`" not in paragraph] == []
