"""What a spec means as a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.oci.location import DockerArchiveLocation, LayoutLocation, OciArchiveLocation, RegistryLocation
from ocibuild.oci.media_type import Format
from ocibuild.oci.platform import Platform
from ocibuild.oci.reference import parse_reference
from ocibuild.plan import (
    FilesLayer,
    Healthcheck,
    Origin,
    PlatformPlan,
    Settings,
    Unset,
)
from tests.spec.specs import facts, findings_of, plan_of

DIGEST = "sha256:" + "0" * 64


def only(directory: Path, body: str) -> PlatformPlan:
    (platform,) = plan_of(directory, body).platforms
    return platform


def test_platforms_give_templates_and_selectors_their_values(tmp_path: Path) -> None:
    body = """
platforms: [linux/amd64, linux/arm64/v8, {platform: windows/amd64, os_version: 10.0.20348.1, os_features: [win32k]}]
base:
  linux/amd64: ghcr.io/o/amd
  linux/arm64: scratch
  windows/amd64: ghcr.io/o/windows:{{ platform.os_version }}
layers:
  - platforms: [linux/*]
    files: [{copy: "{{ platform.arch }}{{ platform.variant }}", to: /a}]
  - platforms: [windows/amd64]
    files: [{copy: b, to: /b}]
config: {env: {ARCH: "{{ platform.os }}"}}
"""
    plan = plan_of(tmp_path, body)
    windows = Platform("windows", "amd64", None, "10.0.20348.1", ("win32k",))
    assert [one.platform for one in plan.platforms] == [
        Platform("linux", "amd64"),
        Platform("linux", "arm64", "v8"),
        windows,
    ]
    assert [str(one.base) for one in plan.platforms] == ["ghcr.io/o/amd", "None", "ghcr.io/o/windows:10.0.20348.1"]
    copied = [item.source for one in plan.platforms for layer in one.layers for item in layer.items]  # type: ignore[union-attr]
    assert copied == ["amd64", "arm64v8", "b"]
    assert [dict(one.settings.env)["ARCH"] for one in plan.platforms] == ["linux", "linux", "windows"]
    assert plan.is_index


def test_the_default_platform_is_no_fact_of_the_machine(tmp_path: Path) -> None:
    assert only(tmp_path, "").platform == Platform("linux", "amd64")


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("ghcr.io/o/b:1", RegistryLocation(parse_reference("ghcr.io/o/b:1"))),
        ("scratch", None),
        ("oci:base:1", LayoutLocation("{}/base", "1")),
        ("oci-archive:../b.tar", OciArchiveLocation("{}/../b.tar")),
        ("docker-archive:/abs/b.tar:x/y:1", DockerArchiveLocation("/abs/b.tar", "x/y:1")),
    ],
)
def test_bases(tmp_path: Path, text: str, location: object) -> None:
    base = only(tmp_path, f"base: '{text}'\nlayers: [{{archive: a.tar}}]\n").base
    if location is None or isinstance(location, RegistryLocation):
        assert base == location
    else:
        directory = str(tmp_path)
        wanted = str(location).replace("{}/..", str(tmp_path.parent)).replace("{}", directory)
        assert str(base) == wanted


def test_every_setting(tmp_path: Path) -> None:
    body = """
format: docker
base: a/b
config:
  entrypoint: [/bin/a, --flag]
  cmd: []
  env: {Z: 1, A: "x=y", EMPTY: ""}
  workdir: /app
  user: 1000:1000
  ports: [8080, 53/udp, 9/sctp]
  volumes: [/data]
  stop_signal: SIGRTMIN+3
  author: octocat
  healthcheck: {test: [CMD-SHELL, check], interval: 30s, timeout: 1.5s, start_period: 1m, retries: 3}
  shell: [/bin/bash, -c]
  onbuild: [RUN make]
unset: [env.DEBUG, labels.a.b, ports, volumes, cmd, entrypoint]
"""
    plan = only(tmp_path, body)
    assert plan.settings == Settings(
        entrypoint=("/bin/a", "--flag"),
        cmd=(),
        env=(("Z", "1"), ("A", "x=y"), ("EMPTY", "")),
        workdir="/app",
        user="1000:1000",
        ports=("8080/tcp", "53/udp", "9/sctp"),
        volumes=("/data",),
        stop_signal="SIGRTMIN+3",
        author="octocat",
        healthcheck=Healthcheck(("CMD-SHELL", "check"), 30 * 10**9, 15 * 10**8, 60 * 10**9, 3),
        shell=("/bin/bash", "-c"),
        onbuild=("RUN make",),
    )
    assert plan.unset == Unset(("DEBUG",), ("a.b",), ("ports", "volumes", "cmd", "entrypoint"))


def test_nothing_said_leaves_the_base_alone(tmp_path: Path) -> None:
    plan = only(tmp_path, "")
    assert (plan.settings, plan.unset, plan.labels, plan.annotations) == (Settings(), Unset(), (), ())


METADATA = """
metadata: {title: T, licenses: MIT}
labels: {org.opencontainers.image.title: label, own: x}
annotations: {manifest: {org.opencontainers.image.title: manifest}, manifest-descriptor: {d: x}%s}
base: a/b
"""
PREFIX = "org.opencontainers.image."


def test_metadata_stands_at_every_level_that_there_is(tmp_path: Path) -> None:
    one = plan_of(tmp_path, METADATA % "")
    several = plan_of(
        tmp_path, "platforms: [linux/amd64, linux/arm64]\n" + METADATA % ", index: {i: x}, index-descriptor: {j: x}"
    )
    for plan in (one, several):
        for platform in plan.platforms:
            assert platform.labels == ((PREFIX + "licenses", "MIT"), (PREFIX + "title", "label"), ("own", "x"))
            assert platform.annotations == ((PREFIX + "licenses", "MIT"), (PREFIX + "title", "manifest"))
            assert platform.descriptor_annotations == (("d", "x"),)
    assert (one.index_annotations, one.index_descriptor_annotations) == ((), ())
    assert several.index_annotations == (("i", "x"), (PREFIX + "licenses", "MIT"), (PREFIX + "title", "T"))
    assert several.index_descriptor_annotations == (("j", "x"),)


def test_the_docker_format_has_labels_only(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "format: docker\nplatforms: [linux/amd64, linux/arm64]\nmetadata: {title: T}\n")
    assert plan.format is Format.DOCKER
    assert plan.index_annotations == ()
    assert [(one.labels, one.annotations) for one in plan.platforms] == [(((PREFIX + "title", "T"),), ())] * 2


@pytest.mark.parametrize(
    ("body", "epoch", "created", "seconds", "latest"),
    [
        ("", None, "1970-01-01T00:00:00Z", 0, None),
        ("", "1700000000", "2023-11-14T22:13:20Z", 1700000000, 1700000000),
        ("created: 2024-01-01T01:00:00+01:00\n", "1700000000", "2024-01-01T00:00:00Z", 1704067200, 1700000000),
        ("", "", "1970-01-01T00:00:00Z", 0, None),
    ],
)
def test_created_is_said_or_source_date_epoch_and_never_now(
    tmp_path: Path, body: str, epoch: str | None, created: str, seconds: int, latest: int | None
) -> None:
    environ = {} if epoch is None else {"SOURCE_DATE_EPOCH": epoch}
    plan = plan_of(tmp_path, body + "layers: [{files: [{text: x, to: /x}]}]\n", given=facts(environ))
    (layer,) = plan.platforms[0].layers
    assert isinstance(layer, FilesLayer)
    assert (plan.created, layer.created, layer.latest_mtime) == (created, seconds, latest)


def test_a_bad_source_date_epoch_is_a_finding(tmp_path: Path) -> None:
    (finding,) = findings_of(tmp_path, "", given=facts({"SOURCE_DATE_EPOCH": "yesterday"}))
    assert str(finding.place) == "SOURCE_DATE_EPOCH"


def test_places_of_everything_that_checks_may_ask_for(tmp_path: Path) -> None:
    body = f"""image: ghcr.io/o/n
tags: [a, b]
created: 2024-01-01T00:00:00Z
metadata: {{description: d, licenses: MIT}}
labels: {{a.b: c}}
layers:
  - foreign: {{urls: [], digest: "{DIGEST}", size: 1, diff_id: "{DIGEST}"}}
"""
    plan = plan_of(tmp_path, body)
    file = str(tmp_path / "ocibuild.yaml")
    expected = {
        "image": (2, 8),
        "tags.1": (3, 11),
        "created": (4, 10),
        "metadata.description": (5, 25),
        "labels.a.b": (6, 15),
        "layers.0": (8, 5),
        "layers.0.foreign.urls": (8, 21),
    }
    assert {key: plan.places[key] for key in expected} == {key: Origin(file, *at) for key, at in expected.items()}
    assert plan.platforms[0].layers[0].origin == Origin(file, 8, 5)


def test_all_that_is_wrong_is_said_in_one_run_in_order_of_place(tmp_path: Path) -> None:
    body = """image: Bad/Name
tgas: [x]
format: {}
config: {ports: [0], cmd: x}
layers:
  - files:
      - {copy: ../x, to: y}
      - {text: "{{ nope }}", to: /z, mode: 9}
"""
    found = findings_of(tmp_path, body)
    assert [(finding.place.line, finding.rule) for finding in found if finding.place] == [
        (2, "spec-bad-reference"),
        (3, "spec-unknown-key"),
        (4, "spec-wrong-type"),
        (5, "spec-bad-value"),
        (5, "spec-wrong-type"),
        (8, "spec-bad-path"),
        (8, "spec-bad-value"),
        (9, "spec-undefined-variable"),
        (9, "spec-bad-value"),
    ]


def test_a_finding_is_said_once_however_many_platforms_meet_it(tmp_path: Path) -> None:
    body = "platforms: [linux/amd64, linux/arm64, linux/s390x]\nlayers:\n  - files: [{copy: '{{ x }}', to: y}]\n"
    assert len(findings_of(tmp_path, body)) == 2


def test_equal_layers_of_two_platforms_are_equal_values(tmp_path: Path) -> None:
    body = "platforms: [linux/amd64, linux/arm64]\nlayers:\n  - files: [{copy: '{{ platform.os }}', to: /a}]\n"
    one, other = plan_of(tmp_path, body).platforms
    assert one.layers == other.layers
