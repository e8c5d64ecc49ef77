"""What the shell is told when somebody presses Tab."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import ocibuild


def completed(line: str, cwd: Path) -> list[str]:
    """What could stand in the place of the last word of `line`."""
    env = {"_OCIBUILD_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    return [answer.partition(",")[2] for answer in ocibuild(cwd=cwd, env=env).stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ocibuild pu", ["push", "pull"]),
        ("ocibuild build --pl", ["--platform", "--plain-http"]),
        ("ocibuild build --progress ", ["auto", "plain", "json", "quiet"]),
        ("ocibuild index ", ["create"]),
        ("ocibuild --v", ["--version"]),
        ("ocibuild no-such-command --", []),
    ],
)
def test_words_are_completed(tmp_path: Path, line: str, words: list[str]) -> None:
    assert completed(line, tmp_path) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for(tmp_path: Path, shell: str) -> None:
    done = ocibuild(cwd=tmp_path, env={"_OCIBUILD_COMPLETE": f"{shell}_source"})
    assert (done.status, done.stderr) == (0, "")
    assert "_OCIBUILD_COMPLETE" in done.stdout
