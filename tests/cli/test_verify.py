"""`ocibuild verify`: exit codes, streams, what is verified, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.conftest import Cli
from tests.cli.sarif import SARIF
from tests.fake_registry import BLOBS, BasicAuth, FakeRegistry
from tests.verify.layouts import layout_of

WARNED: dict[str, Any] = {"images": [{"config": {"config": {}}}]}  # no source
BAD: dict[str, Any] = {"images": [{"layers": [{"members": ["file a", "file a"]}]}]}
DEFAULT = Path(".ocibuild/layout")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("facts", "options", "status"),
    [
        ({}, [], 0),
        ({}, ["--strict"], 0),
        (WARNED, [], 0),
        (WARNED, ["--strict"], 1),
        (WARNED, ["--strict", "--ignore", "source-missing"], 0),
        (WARNED, ["--strict", "--select", "duplicate-path,tar-damaged"], 0),
        (BAD, [], 1),
        (BAD, ["--exit-zero"], 0),
        (BAD, ["--ignore", "duplicate-path"], 0),
        (BAD, ["--format", "github"], 1),
        ({"spoil": {"manifest": "flip"}}, [], 1),
        ({"index": {}}, ["--profile", "lambda"], 1),
    ],
)
def test_the_exit_code_is_the_verdict(cli: Cli, facts: dict[str, Any], options: list[str], status: int) -> None:
    layout_of(facts).write(DEFAULT)
    assert cli("verify", *options).status == status


def test_findings_are_data_and_what_was_read_is_for_people(cli: Cli) -> None:
    layout_of(BAD).write(DEFAULT)
    done = cli("verify", "-q")
    assert done.stdout.startswith("oci:.ocibuild/layout: error: layer ")
    assert "'a' is there twice [duplicate-path]\n  hint: pack each path once" in done.stdout
    assert done.stderr.startswith("1 error in 1 image, 1 layer, ")


def test_a_good_image_says_so_on_stderr_alone(cli: Cli, built: str) -> None:
    del built
    done = cli("verify", "--ignore", "source-missing", "-q")
    assert (done.status, done.stdout) == (0, "")
    assert done.stderr.startswith("no problems in 1 image, 2 platforms, 2 layers, ")


def test_images_and_their_platforms_are_counted_apart(cli: Cli, built: str, project: Path) -> None:
    del built
    spec = (project / "ocibuild.yaml").read_text()
    (project / "ocibuild.yaml").write_text(spec.replace("team/app", "team/other").replace("/etc/app", "/etc/other"))
    assert cli("build", "-q").status == 0
    said = cli("verify", "--ignore", "source-missing", "-q").stderr
    assert said.startswith("no problems in 2 images, 4 platforms, 4 layers, ")


def test_progress_names_every_layer(cli: Cli) -> None:
    layout_of({}).write(DEFAULT)
    assert "verified" in cli("verify").stderr


def test_of_a_layout_all_images_are_verified_each_under_its_name(cli: Cli) -> None:
    layout_of(BAD).write(DEFAULT)
    bad = json.loads((DEFAULT / "index.json").read_text())["manifests"]
    layout_of({}).write(DEFAULT)
    good = json.loads((DEFAULT / "index.json").read_text())["manifests"]
    named = [
        {**entry, "annotations": {"org.opencontainers.image.ref.name": name}}
        for entry, name in ((*bad, "bad"), (*good, "good"))
    ]
    (DEFAULT / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": named}))

    findings = cli("verify", "--format", "json").json["findings"]
    assert [(finding["rule"], finding["file"]) for finding in findings] == [("duplicate-path", f"oci:{DEFAULT}:bad")]
    assert cli("verify", f"oci:{DEFAULT}:good").status == 0
    assert cli("verify", f"oci:{DEFAULT}:good", f"oci:{DEFAULT}:bad").status == 1
    assert cli("verify", f"oci:{DEFAULT}:other").status == 4


def test_two_images_of_one_name_are_both_verified(cli: Cli) -> None:
    tops = []
    for facts in (BAD, {"images": [{"layers": [{"members": ["file /a"]}]}]}):
        layout_of({**facts, "top": {"annotations": {"org.opencontainers.image.ref.name": "v1"}}}).write(DEFAULT)
        tops += json.loads((DEFAULT / "index.json").read_text())["manifests"]
    (DEFAULT / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": tops}))
    found = cli("verify", "--format", "json").json["findings"]
    assert [finding["rule"] for finding in found] == ["duplicate-path", "path-absolute"]


def test_images_of_several_places_are_verified_in_one_run(cli: Cli, tmp_path: Path) -> None:
    layout_of(BAD).write_archive(tmp_path / "bad.tar", tmp_path / "work")
    layout_of(BAD).write_docker_archive(tmp_path / "docker.tar")
    with FakeRegistry() as registry:
        reference = layout_of(BAD).push(registry, "team/app")
        places = ["oci-archive:bad.tar", "docker-archive:docker.tar", reference]
        found = cli("verify", *places, "--format", "json").json["findings"]
    assert [(finding["rule"], finding["file"]) for finding in found] == [("duplicate-path", place) for place in places]


def test_the_profile_is_that_of_the_image_s_host(cli: Cli) -> None:
    """Of a layout, that of the name that it knows the image by."""
    facts: dict[str, Any] = {"index": {"annotations": {}}}
    for host, rules in (("ghcr.io", ["text-not-read"]), ("docker.io", [])):
        layout_of({**facts, "top": {"annotations": {"io.containerd.image.name": f"{host}/a/b:1"}}}).write(DEFAULT)
        for place in (f"oci:{DEFAULT}", f"oci:{DEFAULT}:1"):
            assert [one["rule"] for one in cli("verify", place, "--format", "json").json["findings"]] == rules


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 3),  # no layout
        (["oci-archive:nothing.tar"], 3),
        (["oci:.ocibuild/layout:"], 3),
        (["oci:"], 2),
        (["--select", "no-such-rule"], 2),
        (["--profile", "no-such-profile"], 2),
        (["--format", "yaml"], 2),
    ],
)
def test_what_cannot_be_verified_is_an_error(cli: Cli, arguments: list[str], status: int) -> None:
    done = cli("verify", *arguments)
    assert done.status == status
    assert done.stdout == ""
    assert done.stderr.startswith(("error:", "usage error:", "Error:"))


def test_a_registry_that_fails_is_no_finding(cli: Cli) -> None:
    with FakeRegistry() as registry:
        reference = layout_of({}).push(registry, "team/app")
        assert cli("verify", reference).status == 0
        assert cli("verify", f"{registry.host}/team/app:none").status == 4
        registry.on("GET", BLOBS).respond(403)
        assert cli("verify", reference).status == 5
    with FakeRegistry(auth=BasicAuth("alice", "secret")) as registry:
        assert cli("verify", f"{registry.host}/team/app").status == 5


def test_a_place_that_contradicts_itself_is_a_finding(cli: Cli, tmp_path: Path) -> None:
    layout = layout_of({})
    layout.tars.clear()
    layout.write_docker_archive(tmp_path / "docker.tar")
    done = cli("verify", "docker-archive:docker.tar")
    assert done.status == 1
    assert "[document-malformed]" in done.stdout


@pytest.mark.parametrize("form", ["github", "gitlab", "sarif"])
def test_every_format_takes_findings_of_images(cli: Cli, form: str) -> None:
    layout_of({**BAD, "index": {}, "spoil": {"manifest": "append"}}).write(DEFAULT)
    done = cli("verify", "--format", form)
    assert done.status == 1
    assert "content-mismatch" in done.stdout
    if form == "sarif":
        jsonschema.validate(done.json, SARIF)


def test_what_a_hostile_image_says_cannot_take_over_a_terminal(cli: Cli) -> None:
    hostile = "\x1b]0;title\x07::error::a"
    layout_of({"images": [{"layers": [{"members": [f"file {hostile}", f"file {hostile}"]}]}]}).write(DEFAULT)
    for form in ("text", "github"):
        done = cli("verify", "--format", form)
        assert done.status == 1
        assert "\x1b" not in done.stdout + done.stderr
        assert "\n::error::a" not in done.stdout
