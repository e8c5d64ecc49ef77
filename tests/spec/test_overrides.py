"""What the command line says instead of a spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.oci.reference import parse_reference
from ocibuild.plan import (
    PlatformPlan,
)
from ocibuild.spec.load import Overrides
from tests.spec.specs import findings_of, plan_of

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("tags", "image", "expected"),
    [
        ((), "ghcr.io/o/n", ("1", "latest")),
        (("2",), "ghcr.io/o/n", ("2",)),
        (("2", "2", "3"), "ghcr.io/o/n", ("2", "3")),
        (("localhost:5000/x:9",), "localhost:5000/x", ("9",)),
        (("docker://quay.io/a/b:9", "10"), "quay.io/a/b", ("9", "10")),
        (("quay.io/a/b",), "quay.io/a/b", ("1", "latest")),
        (("hello:1.0",), "docker.io/library/hello", ("1.0",)),
    ],
)
def test_tags_of_the_command_line(tmp_path: Path, tags: tuple[str, ...], image: str, expected: tuple[str, ...]) -> None:
    plan = plan_of(tmp_path, "image: ghcr.io/o/n\ntags: ['1', latest]\n", Overrides(tags=tags))
    assert (plan.image, plan.tags) == (parse_reference(image), expected)


@pytest.mark.parametrize("tags", [("-x",), ("a/B:1",), (f"a/b@{DIGEST}",), ("a/b:1", "a/c:1"), ("",)])
def test_tags_of_the_command_line_that_are_none(tmp_path: Path, tags: tuple[str, ...]) -> None:
    (finding,) = findings_of(tmp_path, "", Overrides(tags=tags))
    assert str(finding.place) == "--tag"
    assert finding.hint


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("linux/arm64",), ["linux/arm64/v8"]),
        (("linux/arm64,linux/amd64",), ["linux/amd64", "linux/arm64/v8"]),
        (("linux/s390x", "linux/amd64"), ["linux/amd64", "linux/s390x"]),
        (("linux/x86_64",), ["linux/amd64"]),
    ],
)
def test_platforms_of_the_command_line(tmp_path: Path, asked: tuple[str, ...], expected: list[str]) -> None:
    body = "platforms: [linux/amd64, linux/arm64/v8]\nannotations: {index: {a: b}}\n"
    plan = plan_of(tmp_path, body, Overrides(platforms=asked))
    assert [str(one.platform) for one in plan.platforms] == expected
    assert plan.index_annotations == ((("a", "b"),) if len(expected) > 1 else ())


def test_a_bad_platform_of_the_command_line(tmp_path: Path) -> None:
    (finding,) = findings_of(tmp_path, "", Overrides(platforms=("linux/amr64",)))
    assert (str(finding.place), finding.hint) == ("--platform", "did you mean `arm64`?")


def test_labels_and_annotations_of_the_command_line_win(tmp_path: Path) -> None:
    overrides = Overrides(
        labels=(("a", "cli"), ("b", "cli")), annotations=(("manifest", "a", "cli"), ("manifest-descriptor", "c", "d"))
    )
    plan = only(tmp_path, "labels: {a: spec}\nannotations: {manifest: {a: spec}}\n", overrides)
    assert plan.labels == (("a", "cli"), ("b", "cli"))
    assert plan.annotations == (("a", "cli"),)
    assert plan.descriptor_annotations == (("c", "d"),)


@pytest.mark.parametrize("level", ["index", "index-descriptor", "config"])
def test_annotations_of_the_command_line_that_have_no_place(tmp_path: Path, level: str) -> None:
    (finding,) = findings_of(tmp_path, "", Overrides(annotations=((level, "a", "b"),)))
    assert (finding.rule, str(finding.place)) == ("spec-annotation-level", "--annotation")


def only(directory: Path, body: str, overrides: Overrides) -> PlatformPlan:
    (platform,) = plan_of(directory, body, overrides).platforms
    return platform
