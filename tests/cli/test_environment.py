"""Every option can be given in the environment; the command line wins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.program import write_tree
from tests.fake_registry import BasicAuth, FakeRegistry, image_of

OTHER = "apiVersion: ocibuild/v1\nimage: registry.example/other\nlayers: [{files: [{text: a, to: /a}]}]\n"


def test_the_file(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(project, {"other.yaml": OTHER})
    monkeypatch.setenv("OCIBUILD_FILE", "other.yaml")
    assert cli("build").stdout.startswith("registry.example/other@")
    assert cli("build", "-f", "ocibuild.yaml").stdout.startswith("registry.example/team/app@")


def test_several_files_stand_on_several_lines(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(project, {"with blank.yaml": OTHER})
    monkeypatch.setenv("OCIBUILD_FILE", "ocibuild.yaml\nwith blank.yaml\n")
    assert cli("build").stdout.count("\n") == 2


def test_variables_labels_tags_and_platforms(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIBUILD_SET", "version=3.0")
    monkeypatch.setenv("OCIBUILD_LABEL", "a=one two\nb=x=y")
    monkeypatch.setenv("OCIBUILD_ANNOTATION", "index,manifest:c=d")
    monkeypatch.setenv("OCIBUILD_PLATFORM", "linux/amd64,linux/s390x")
    image = cli("build", "--json").json["images"][0]
    assert image["tags"] == ["3.0", "latest"]
    assert [part["platform"] for part in image["platforms"]] == ["linux/amd64", "linux/s390x"]
    monkeypatch.delenv("OCIBUILD_PLATFORM")
    shown = cli("inspect", "--json", "oci:.ocibuild/layout:3.0").json
    labels = shown["images"][0]["config"]["config"]["Labels"]
    assert (labels["a"], labels["b"]) == ("one two", "x=y")
    assert shown["annotations"]["c"] == shown["images"][0]["annotations"]["c"] == "d"
    monkeypatch.setenv("OCIBUILD_TAG", "one\ntwo")
    assert cli("build", "--json", "--set", "version=4").json["images"][0]["tags"] == ["one", "two"]


def test_output_and_how_it_is_shown(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIBUILD_OUTPUT", "oci:elsewhere")
    monkeypatch.setenv("OCIBUILD_PROGRESS", "json")
    monkeypatch.setenv("OCIBUILD_METADATA_FILE", "built.json")
    monkeypatch.setenv("OCIBUILD_JSON", "true")
    monkeypatch.setenv("OCIBUILD_JOBS", "1")
    done = cli("build")
    assert (project / "elsewhere/index.json").is_file()
    assert (project / "built.json").is_file()
    assert done.json["images"]
    assert {json.loads(line)["event"] for line in done.stderr.splitlines()} == {"started", "finished"}
    monkeypatch.setenv("OCIBUILD_QUIET", "1")
    assert cli("build").stderr == ""


def test_a_bad_value_names_the_option(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIBUILD_JOBS", "many")
    done = cli("build")
    assert done.status == 2
    assert "--jobs" in done.stderr
    assert "OCIBUILD_JOBS" in done.stderr


def test_source_date_epoch_dates_the_image(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    cli("build")
    config = json.loads(cli("inspect", "--config", "--platform", "linux/amd64", "oci:.ocibuild/layout:1.0").stdout)
    assert config["created"] == "1970-01-02T00:00:00Z"


def test_only_declared_variables_are_seen(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    for expression in ("{{ SECRET }}", "{{ env.SECRET }}"):
        write_tree(
            project,
            {"spec.yaml": f"apiVersion: ocibuild/v1\nlayers: [{{files: [{{text: '{expression}', to: /a}}]}}]\n"},
        )
        assert cli("render", "-f", "spec.yaml").status == 2
    declared = "apiVersion: ocibuild/v1\nvars: {s: {env: SECRET}}\nlayers: [{files: [{text: '{{ s }}', to: /a}]}]\n"
    write_tree(project, {"spec.yaml": declared})
    assert "s3cret" in cli("render", "-f", "spec.yaml").stdout


def test_credentials_come_from_the_docker_config(
    cli: Cli, project: Path, fake_registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_registry.auth = BasicAuth("alice", "s3cret")
    digest = fake_registry.add_image("team/app", image_of(), "1")
    name = f"{fake_registry.host}/team/app:1"
    assert cli("digest", name).status == 5
    auths = {"auths": {fake_registry.host: {"username": "alice", "password": "s3cret"}}}
    write_tree(project, {"docker/config.json": json.dumps(auths)})
    monkeypatch.setenv("DOCKER_CONFIG", str(project / "docker"))
    assert cli("digest", name).stdout == f"{digest}\n"


def test_a_variable_that_means_nothing_is_named(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "tomorrow")
    done = cli("build")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("SOURCE_DATE_EPOCH: error: 'tomorrow' is not a number of seconds")
    assert done.stderr.endswith("\nthe environment has one problem\n")
