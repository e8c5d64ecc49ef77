"""`lock` and `check-base`: what they print, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.program import write_tree
from tests.fake_registry import FakeRegistry, image_of, index_of, layer_of

OLD = index_of(image_of([layer_of({"a": b"old"})]))
NEW = index_of(image_of([layer_of({"a": b"new"})]))


@pytest.fixture
def base(fake_registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The base of the spec in the working directory."""
    fake_registry.add_image("team/base", OLD, "v1")
    name = f"{fake_registry.host}/team/base:v1"
    spec = f"apiVersion: ocibuild/v1\nimage: {fake_registry.host}/team/app\ntags: [v1]\nbase: {name}\n"
    write_tree(tmp_path, {"ocibuild.yaml": spec + "layers: [{files: [{text: a, to: /a}]}]\n"})
    monkeypatch.chdir(tmp_path)
    return name


def test_lock_prints_what_it_changed_and_check_is_content_then(cli: Cli, base: str, tmp_path: Path) -> None:
    done = cli("lock", "--check")
    assert (done.status, done.stdout) == (1, "")
    assert "ocibuild.yaml:4:7: error: " in done.stderr
    assert "[base-unpinned]" in done.stderr
    done = cli("lock")
    assert (done.status, done.stdout, done.stderr) == (0, "ocibuild.yaml\n", "")
    assert f"base: {base}@{OLD.digest}\n" in (tmp_path / "ocibuild.yaml").read_text()
    assert cli("lock").stdout == ""
    assert cli("lock", "--check").status == 0


@pytest.mark.parametrize("arguments", [("lock",), ("lock", "--check"), ("check-base",)])
def test_where_there_is_no_base_it_is_said(cli: Cli, arguments: tuple[str, ...], tmp_path: Path) -> None:
    write_tree(tmp_path, {"bare.yaml": "apiVersion: ocibuild/v1\nlayers: [{files: [{text: a, to: /a}]}]\n"})
    done = cli(*arguments, "-f", str(tmp_path / "bare.yaml"))
    assert (done.status, done.stdout, done.stderr) == (0, "", "note: no base image in a registry is named here\n")


def test_a_tag_that_moves_is_noticed(cli: Cli, base: str, fake_registry: FakeRegistry) -> None:
    cli("lock", "--lockfile")
    assert (done := cli("check-base")).status == 0
    assert done.stdout == f"{base}: current\n"
    fake_registry.add_image("team/base", NEW, "v1")
    done = cli("check-base")
    assert (done.status, done.stdout) == (1, f"{base}: moved from {OLD.digest} to {NEW.digest}\n")
    done = cli("lock", "--check", "--json")
    assert done.status == 1
    (state,) = done.json["bases"]
    assert state == {
        "name": base,
        "standing": "moved",
        "pinned": OLD.digest,
        "now": NEW.digest,
        "file": "ocibuild.yaml",
        "line": 4,
    }
    done = cli("lock", "--json")
    assert (done.status, done.json["changed"]) == (0, ["ocibuild.lock"])
    assert cli("check-base").status == 0


def test_a_base_that_moved_is_told_once_with_all_that_ask_for_it(
    cli: Cli, base: str, fake_registry: FakeRegistry, tmp_path: Path
) -> None:
    fake_registry.add_image("team/other", OLD, "v1")
    pinned = f"apiVersion: ocibuild/v1\nbase: {base}@{OLD.digest}\n"
    other = f"{fake_registry.host}/team/other:v1"
    spec = f"apiVersion: ocibuild/v1\nbase: {other}@{OLD.digest}\n"
    texts = {"one": pinned, "two": pinned, "three": spec, "four": spec}
    write_tree(
        tmp_path / "images", {f"{name}.ocibuild.yaml": f"{text}tags: [{name}]\n" for name, text in texts.items()}
    )
    fake_registry.add_image("team/base", NEW, "v1")
    done = cli("check-base", "-f", "images")
    assert done.status == 1
    moved = f"{base}: moved from {OLD.digest} to {NEW.digest}"
    asking = "images/one.ocibuild.yaml:2:7, images/two.ocibuild.yaml:2:7"
    assert done.stdout.splitlines() == [f"{other}: current", f"{moved}, for {asking}"]
    assert len(cli("check-base", "-f", "images", "--json").json["bases"]) == 4


def test_what_is_not_pinned_has_not_moved(cli: Cli, base: str) -> None:
    done = cli("check-base", "--json")
    assert done.status == 0
    assert [state["standing"] for state in done.json["bases"]] == ["unpinned"]


def test_an_image_is_compared_with_what_it_was_built_on(cli: Cli, base: str, fake_registry: FakeRegistry) -> None:
    assert cli("build", "-q", "--push").status == 0
    image = f"{fake_registry.host}/team/app:v1"
    assert cli("check-base", image, "oci:.ocibuild/layout").status == 0
    fake_registry.add_image("team/base", NEW, "v1")
    done = cli("check-base", image, "--json")
    assert done.status == 1
    assert [(state["standing"], state["file"]) for state in done.json["bases"]] == [("moved", image)]


def test_an_image_without_a_base_is_no_error(cli: Cli, built: str) -> None:
    done = cli("check-base", "oci:.ocibuild/layout")
    assert (done.status, done.stdout) == (0, "")
    assert "no base image" in done.stderr


def test_check_and_lockfile_do_not_go_together(cli: Cli, base: str) -> None:
    done = cli("lock", "--check", "--lockfile")
    assert done.status == 2
    assert "--lockfile" in done.stderr
