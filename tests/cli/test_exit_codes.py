"""Every exit code, as a script sees it: each case in a process of its own, and in no case a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from ocibuild.cli.app import run
from tests.cli.conftest import SPEC
from tests.cli.program import Done, ocibuild, write_tree
from tests.fake_registry import BLOBS, BasicAuth, FakeRegistry, image_of


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return write_tree(tmp_path, {"ocibuild.yaml": SPEC})


def fails(done: Done, status: int, *words: str) -> None:
    assert done.status == status, done.stderr
    assert done.stdout == ""
    assert len(re.findall(r"(?:^|: )error: ", done.stderr, re.MULTILINE)) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_0_done(place: Path) -> None:
    assert ocibuild("build", cwd=place).status == 0


def test_1_the_image_breaks_a_rule(place: Path) -> None:
    assert ocibuild("build", "--label", f"org.opencontainers.image.description={'x' * 513}", cwd=place).status == 0
    done = ocibuild("push", "127.0.0.1:9/team/app:1", cwd=place)
    fails(done, 1, "[description-too-long]", "513 characters", "hint: ")


def test_2_usage(place: Path) -> None:
    fails(ocibuild("build", "--nope", cwd=place), 2, "--nope")


def test_2_the_spec_is_invalid(place: Path) -> None:
    fails(ocibuild("build", "--set", "nope=1", cwd=place), 2, "--set", "`nope`")


def test_3_a_local_file(place: Path) -> None:
    (place / "taken").write_text("")
    fails(ocibuild("build", "-o", "oci:taken", cwd=place), 3, "taken")


@pytest.mark.parametrize(
    "command", ["ls", "push", "plan", "push --dry-run", "digest oci:.ocibuild/layout", "tag oci:.ocibuild/layout a"]
)
def test_3_a_layout_that_is_not_there(place: Path, command: str) -> None:
    fails(ocibuild(*command.split(), cwd=place), 3, ".ocibuild/layout does not exist", "`ocibuild build")


def test_4_nobody_answers(place: Path) -> None:
    fails(ocibuild("digest", "127.0.0.1:9/team/app:1", cwd=place), 4, "127.0.0.1:9")


def test_4_there_is_no_such_image(place: Path, fake_registry: FakeRegistry) -> None:
    fails(ocibuild("digest", f"{fake_registry.host}/team/app:1", cwd=place), 4, "team/app:1")


def test_4_the_layout_has_no_such_image(place: Path) -> None:
    assert ocibuild("build", cwd=place).status == 0
    fails(ocibuild("push", "-t", "other", cwd=place), 4, "registry.example/team/app:other", "`ocibuild build")
    fails(ocibuild("digest", "oci:.ocibuild/layout:other", cwd=place), 4, "'other'", "it holds: ")


def test_5_not_logged_in(place: Path, fake_registry: FakeRegistry) -> None:
    fake_registry.auth = BasicAuth("alice", "secret")
    fails(ocibuild("digest", f"{fake_registry.host}/team/app:1", cwd=place), 5, "ocibuild login")


def test_6_bytes_are_not_what_was_promised(place: Path, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", image_of(), "1")
    fake_registry.quirk("GET", BLOBS).edit(
        lambda request, reply: type(reply)(reply.status, reply.headers, reply.body[::-1])
    )
    fails(ocibuild("pull", "-o", "oci:got", f"{fake_registry.host}/team/app:1", cwd=place), 6, "sha256:")


def test_6_a_blob_of_the_layout_was_changed(place: Path, fake_registry: FakeRegistry) -> None:
    built = json.loads(ocibuild("build", "--json", cwd=place).stdout)["images"][0]
    layer = built["platforms"][0]["layers"][0]["digest"].removeprefix("sha256:")
    blob = place / ".ocibuild/layout/blobs/sha256" / layer
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[::-1])
    fails(ocibuild("push", f"{fake_registry.host}/team/app:1", cwd=place), 6, layer[:12])
    assert fake_registry.tags("team/app") == {}


def test_a_full_disk_is_no_fault_of_ours(place: Path) -> None:
    done = ocibuild("build", "--metadata-file", "/proc/nope/built.json", cwd=place)
    assert done.status == 3
    assert "bug" not in done.stderr


@pytest.mark.parametrize("debug", [{"OCIBUILD_DEBUG": "1"}, {}])
def test_a_traceback_is_shown_to_those_who_ask(place: Path, debug: Mapping[str, str]) -> None:
    arguments = ("digest", "127.0.0.1:9/team/app:1") if debug else ("--debug", "digest", "127.0.0.1:9/team/app:1")
    done = ocibuild(*arguments, cwd=place, env=debug, traceback=True)
    assert done.status == 4
    assert done.stderr.startswith("error: ")
    assert "Traceback (most recent call last)" in done.stderr


def test_a_fault_of_ours_asks_for_a_report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("ocibuild.cli.app", fromlist=["COMMANDS"]).COMMANDS, "broken", ("broken", ""))
    assert run(["broken"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("error: internal error: ModuleNotFoundError: ")
    assert "hint: this is a bug in ocibuild: run it again as `ocibuild --debug ...`" in err
    assert "Traceback" not in err
