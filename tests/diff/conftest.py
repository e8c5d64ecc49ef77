"""Fixtures: a directory to build in, and the command line inside the test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ocibuild.cli.app import run
from tests.cli.program import Done
from tests.recipes.support import Desk, open_desk

Cli = Callable[..., Done]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A directory, and anonymous places that do not wait."""
    with ExitStack() as stack:
        desk = open_desk(tmp_path)
        stack.enter_context(desk.places)
        yield desk


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """`cli("diff", ...)`: the outcome of one command, run in the test's own directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "internal error" not in err, err
        return Done(status, out, err)

    return call
