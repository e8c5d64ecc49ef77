"""A layout or an archive that is written like an image of Docker Hub: the failure there says how it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.cli.nearby import meant_here
from tests.cli.conftest import Cli
from tests.cli.program import write_tree

LAYOUT = "there is a directory `layout` here: for that, write oci:layout"


@pytest.fixture
def here(project: Path, cli: Cli) -> Path:
    """A layout, an archive, a directory and a file, each with a name that an image could have."""
    for place in ("oci:layout", "oci:out/layout", "oci-archive:archive"):
        assert cli("build", "-q", "-o", place).status == 0
    write_tree(project, {"python/main.py": "", "notes": "notes"})
    return project


@pytest.fixture
def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker Hub is out of reach: the way there is a proxy that does not run."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name in ("https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("layout", LAYOUT),
        ("layout:1.0", f"{LAYOUT}:1.0"),
        ("out/layout", LAYOUT.replace("layout", "out/layout")),
        (
            "archive:1.0",
            "there is an archive `archive` here: for that, write oci-archive:archive:1.0 or docker-archive:archive:1.0",
        ),
        ("python", None),
        ("notes", None),
        ("nothing", None),
        ("oci:layout", None),
        ("127.0.0.1:9/layout", None),
        ("no reference", None),
    ],
)
def test_what_is_here_under_the_name(text: str, hint: str | None) -> None:
    assert meant_here(text) == hint


@pytest.mark.usefixtures("here", "without_network")
def test_a_failure_at_docker_hub_says_what_is_here(cli: Cli) -> None:
    done = cli("inspect", "layout")
    assert done.status == 4
    assert f"\n  hint: {LAYOUT}; else " in done.stderr


@pytest.mark.usefixtures("here", "without_network")
def test_an_ordinary_directory_is_not_spoken_of(cli: Cli) -> None:
    done = cli("copy", "python", "oci:copy")
    assert done.status == 4
    assert "directory" not in done.stderr


@pytest.mark.usefixtures("here")
def test_a_failure_elsewhere_is_not_about_what_is_here(cli: Cli) -> None:
    done = cli("diff", "127.0.0.1:9/team/app:1", "layout")
    assert done.status == 4
    assert "directory" not in done.stderr
