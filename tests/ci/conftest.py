"""Scratch checkouts that no setting of the machine's user reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.programs import call, require

DATE = "2024-02-29T23:30:00-05:00"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"), ("DATE", DATE))
}


class Checkout:
    """A repository with one file, `tracked`. Calling it runs git in it and gives what that prints."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: str) -> str:
        return call("git", "-C", self.directory, *arguments, env=IDENTITY).stdout.strip()

    def commit(self, message: str = "one") -> str:
        """A commit of all that is there; gives its name."""
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@pytest.fixture
def empty_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A repository without a commit."""
    require("git")
    # The user's own settings count in `git_facts`, and so these are the user's for the time of a test.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_DIR", raising=False)
    directory = tmp_path / "checkout"
    directory.mkdir()
    checkout = Checkout(directory)
    checkout("init", "-q", "-b", "main")
    (directory / "tracked").write_text("one\n")
    return checkout


@pytest.fixture
def checkout(empty_checkout: Checkout) -> Checkout:
    """A repository with one commit."""
    empty_checkout.commit()
    return empty_checkout
