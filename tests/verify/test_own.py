"""What ocibuild builds passes its own verification, sparse layouts included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.events import Stage
from ocibuild.oci.location import parse_location
from tests.fake_registry import FakeRegistry, image_of, layer_of
from tests.image.test_peers import hard_tree
from tests.peers.programs import require_root
from tests.recipes.support import Desk, open_desk

SPEC = """
image: ghcr.io/octocat/hello
tags: [v1, latest]
platforms: [linux/amd64, linux/arm64]
format: {family}
compression: {compression}
metadata: {{source: https://github.com/octocat/hello, description: Says hello}}
layers:
  - files: [{{copy: tree/, to: /}}]
    owner: keep
    file_mode: keep
    dir_mode: keep
    mtime: keep
    xattrs: keep
  - files: [{{remove: /suid}}, {{replace: /bin}}, {{text: new, to: /bin/tool}}, {{hardlink: /bin/tool, to: /bin/a}}]
"""


LABELLED = "metadata: {source: https://github.com/octocat/hello}\n"
LAYER = "layers: [{files: [{text: a, to: /a}]}]\n"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = open_desk(tmp_path)
    with desk.places:
        yield desk


def rules(desk: Desk, place: str) -> list[str]:
    report = api.verify([desk.at(place)], desk.places)
    assert report.layers
    return [finding.rule for finding in report.findings]


@pytest.mark.parametrize(
    ("family", "compression", "expected"),
    [
        ("oci", "gzip", []),
        ("oci", "zstd", []),
        ("oci", "none", []),
        # Docker's index has no annotations for a page to read.
        ("docker", "gzip", ["text-not-read", "text-not-read"]),
    ],
)
def test_a_tree_that_is_hard_to_pack_passes(family: str, compression: str, expected: list[str], desk: Desk) -> None:
    require_root()
    (desk.directory / "tree").mkdir()
    hard_tree(desk.directory / "tree")
    desk.build(SPEC.format(family=family, compression=compression))
    assert rules(desk, "oci:layout") == expected


def test_an_archive_of_each_kind_passes(desk: Desk) -> None:
    for place in ("oci-archive:image.tar", "docker-archive:docker.tar"):
        desk.build(LABELLED + LAYER, to=place)
        assert rules(desk, place) == []


def test_layers_that_a_layout_left_in_a_registry_are_read_there(desk: Desk) -> None:
    base = image_of([layer_of({"low": b"low"})])
    with FakeRegistry() as registry:
        registry.add_image("team/base", base, "v1")
        base_line = f"base: {registry.host}/team/base:v1\n"
        desk.build(f"{LABELLED}{base_line}{LAYER}", sparse=True)
        assert rules(desk, "oci:layout") == []
        registry.contents.repository("team/base").blobs.clear()
        assert rules(desk, "oci:layout") == ["content-missing"]


def test_events_tell_of_every_layer_once(desk: Desk) -> None:
    desk.build("platforms: [linux/amd64, linux/arm64]\n" + LAYER)
    desk.events.clear()
    rules(desk, "oci:layout")
    assert [outcome for _, outcome in desk.done(Stage.FETCH)] == ["verified"]
    assert {total == done for total, done in desk.advanced().values()} == {True}


def test_a_layout_that_holds_no_image_has_no_fault(desk: Desk) -> None:
    desk.build(LAYER)
    (desk.directory / "layout" / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    report = api.verify([parse_location(f"oci:{desk.directory}/layout")], desk.places)
    assert (report.findings, report.images, report.layers, report.bytes) == ((), 0, 0, 0)
