"""The README is true: its program runs, its tables are complete. Its commands are run by tests/docs."""

from __future__ import annotations

import re

import pytest

from ocibuild.cli.app import COMMANDS
from tests.cli.conftest import Cli
from tests.cli.program import ROOT

README = (ROOT / "README.md").read_text()


def blocks(mark: str) -> list[str]:
    """The fenced blocks that stand behind a `<!-- mark -->`."""
    return re.findall(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, re.DOTALL)


def test_the_library_does_what_the_command_does(cli: Cli, built: str, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = blocks("python")
    capsys.readouterr()
    exec(compile(text, "README.md", "exec"), {})
    assert capsys.readouterr().out == f"registry.example/team/app@{built}\n"


def test_the_command_table_is_complete() -> None:
    table = README.partition("| command | does |")[2].partition("\n\n")[0]
    named = {
        name for cell in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`([\w-]+)", cell)
    }
    assert named == set(COMMANDS)


def test_the_module_table_is_complete() -> None:
    table = README.partition("| module | role |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([\w./]+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if "|" in row)))
    package = ROOT / "ocibuild"
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    packages = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert named - {""} == modules | packages, "one line for each module and package"
