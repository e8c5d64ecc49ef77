"""The documents of images, and what is none: what rules let pass, and damage at each place of a tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.verify.layouts import DOCKER, OCI, layout_of
from tests.verify.test_rules import verified

ARM = {"os": "linux", "architecture": "arm64"}
ATTESTATION = {
    "platform": {"os": "unknown", "architecture": "unknown"},
    "layers": [{"media_type": "application/vnd.in-toto+json", "packed": "none"}],
    "config": {"config": {}},
}
WINDOWS = {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2700"}
OTHER = {"members": ["file other"]}


def rules(facts: dict[str, Any], directory: Path) -> list[str]:
    layout_of(facts).write(directory)
    return [finding.rule for finding in verified(facts, f"oci:{directory}").findings]


@pytest.mark.parametrize(
    ("said", "real", "agrees"),
    [
        ({}, {}, True),
        ({"variant": "v8"}, {}, True),
        ({}, {"variant": "v8"}, True),
        ({"variant": "v9"}, {"variant": "v8"}, False),
        ({"architecture": "arm", "variant": "v6"}, {"architecture": "arm"}, True),
        ({"architecture": "arm", "variant": "v6"}, {"architecture": "arm", "variant": "v7"}, False),
        ({"os": "windows"}, {}, False),
        (WINDOWS, WINDOWS, True),
        (WINDOWS, {**WINDOWS, "os.version": "10.0.17763.1"}, False),
        ({**WINDOWS, "os.features": ["win32k"]}, WINDOWS, False),
    ],
)
def test_index_and_config_mean_the_same_platform(
    said: dict[str, Any], real: dict[str, Any], agrees: bool, tmp_path: Path
) -> None:
    facts = {"images": [{"named_for": {**ARM, **said}, "platform": {**ARM, **real}}], "index": {}}
    assert rules(facts, tmp_path) == ([] if agrees else ["platform-mismatch"])


@pytest.mark.parametrize(
    ("images", "found"),
    [
        ([{}, {"platform": ARM, "layers": [OTHER]}], []),
        ([{}, {}], []),  # one image, named twice
        ([{}, {"layers": [OTHER]}], ["platform-duplicated"]),
        ([{"platform": ARM}, {"platform": {**ARM, "variant": "v8"}}], ["platform-duplicated"]),
        ([{"platform": WINDOWS}, {"platform": {**WINDOWS, "os.version": "10.0.17763.1"}}], []),
        ([{}, ATTESTATION, {**ATTESTATION, "layers": []}], []),
    ],
)
def test_a_platform_has_one_image(images: list[dict[str, Any]], found: list[str], tmp_path: Path) -> None:
    assert rules({"images": images}, tmp_path) == found


@pytest.mark.parametrize(
    "image",
    [
        ATTESTATION,
        # A signature as cosign writes it: the config of an image that is for no platform.
        {
            "platform": {"os": "", "architecture": ""},
            "named_for": None,
            "layers": [{"media_type": "application/vnd.dev.cosign.simplesigning.v1+json", "packed": "none"}],
            "config": {"config": {}, "history": [{}, {}]},
        },
        # A chart, whose config is no image's.
        {
            "named_for": None,
            "layers": [{"media_type": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "packed": "none"}],
            "raw_config": "no JSON",
            "config_type": "application/vnd.cncf.helm.config.v1+json",
        },
    ],
    ids=["attestation", "signature", "chart"],
)
def test_of_an_artifact_only_the_bytes_count(image: dict[str, Any], tmp_path: Path) -> None:
    facts = {"images": [image]}
    assert rules(facts, tmp_path / "whole") == []
    assert "content-mismatch" in rules({**facts, "spoil": {"layer": "flip"}}, tmp_path / "damaged")
    assert "content-missing" in rules({**facts, "spoil": {"config": "remove"}}, tmp_path / "cut")


@pytest.mark.parametrize("role", ["layer", "config", "manifest", "index"])
@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ("flip", "content-mismatch"),
        ("cut", "content-mismatch"),
        ("append", "content-mismatch"),
        ("remove", "content-missing"),
    ],
)
def test_damage_is_found_wherever_it_is(role: str, how: str, rule: str, tmp_path: Path) -> None:
    assert rules({"index": {}, "spoil": {role: how}}, tmp_path) == [rule]


def test_all_faults_of_all_images_are_told_at_once(tmp_path: Path) -> None:
    images: list[dict[str, Any]] = [
        {"config": {"created": "today"}},
        {"platform": {"os": "plan9", "architecture": "386"}, "layers": [{"members": ["file /a", "file a"]}]},
        {"platform": ARM, "layers": [OTHER]},
    ]
    found = rules({"images": images, "spoil": {"manifest": "append"}}, tmp_path)
    assert sorted(found) == ["config-time", "content-mismatch", "duplicate-path", "path-absolute"]


@pytest.mark.parametrize(
    "image",
    [
        {"raw_config": "{}"},
        {"raw_config": "[]"},
        {"raw_config": '{"os": "linux"'},
        {"config": {"config": {"Env": "A=1"}}},
        {"config": {"history": {}}},
        {"config": {"rootfs": {"diff_ids": ["sha256:short"]}}},
        {"manifest": {"layers": {}}},
        {"manifest": {"config": None}},
        {"manifest": {"manifests": []}},
        {"manifest": {"schemaVersion": 1}},
        {"manifest": {"mediaType": f"{DOCKER}distribution.manifest.v2+json"}},
        {"manifest": {"annotations": {"team": 1}}},
    ],
    ids=str,
)
def test_a_document_that_is_none_is_a_finding(image: dict[str, Any], tmp_path: Path) -> None:
    assert rules({"images": [image]}, tmp_path) == ["document-malformed"]


def test_a_manifest_that_nobody_takes_is_not_read(tmp_path: Path) -> None:
    facts = {"images": [{"manifest": {"annotations": {"comment": "x" * (4 << 20)}}}]}
    assert rules(facts, tmp_path) == ["manifest-too-large"]


def test_history_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    assert rules({"images": [{"config": {"history": []}}]}, tmp_path) == []
    empty = {"empty_layer": True}
    assert rules({"images": [{"config": {"history": [empty, {}, empty]}}]}, tmp_path / "empty") == []


@pytest.mark.parametrize(
    ("family", "layer", "found"),
    [
        ("oci", {"packed": "none", "media_type": f"{OCI}layer.v1.tar"}, []),
        ("oci", {"packed": "zstd", "media_type": f"{OCI}layer.v1.tar+zstd"}, []),
        ("docker", {"packed": "zstd", "media_type": f"{DOCKER}image.rootfs.diff.tar.zstd"}, ["layer-type-unknown"]),
        ("oci", {"packed": "zstd"}, ["compression-mismatch"]),
        (
            "oci",
            {"media_type": f"{OCI}layer.nondistributable.v1.tar+gzip", "descriptor": {"urls": ["https://a.example/"]}},
            [],
        ),
    ],
)
def test_layers_are_of_types_that_runtimes_know(
    family: str, layer: dict[str, Any], found: list[str], tmp_path: Path
) -> None:
    assert rules({"family": family, "images": [{"layers": [layer]}]}, tmp_path) == found


def test_one_layer_of_another_kind_makes_no_artifact_of_an_image(tmp_path: Path) -> None:
    layers = [{}, {"members": ["file b"], "media_type": "application/vnd.example+json", "packed": "none"}]
    assert rules({"images": [{"layers": layers}]}, tmp_path) == ["layer-type-unknown"]


def test_a_foreign_layer_is_never_asked_for(tmp_path: Path) -> None:
    layer = {"media_type": f"{OCI}layer.nondistributable.v1.tar+gzip", "descriptor": {"urls": ["https://a.example/"]}}
    assert rules({"images": [{"layers": [layer]}], "spoil": {"layer": "remove"}}, tmp_path) == []


def test_every_descriptor_of_a_blob_is_put_to_the_test(tmp_path: Path) -> None:
    """One blob under three descriptors: as it is, and with two wrong sizes, once as something else than a layer."""
    layout = layout_of({})
    layer = {"mediaType": f"{OCI}layer.v1.tar+gzip", "digest": layout.by_role["layer"], "size": 109}
    images = [
        {},
        {
            "platform": ARM,
            "layers": [],
            "manifest": {"layers": [{**layer, "mediaType": "application/vnd.example", "size": 111}]},
        },
        {"platform": {**ARM, "os": "plan9"}, "manifest": {"layers": [layer]}},
    ]
    assert rules({"images": images}, tmp_path) == ["content-mismatch", "content-mismatch"]


def test_a_message_is_one_line_whatever_the_documents_say(tmp_path: Path) -> None:
    hostile = {"os": "lin\nux\x1b[31m::error::x", "architecture": "a\r\nb"}
    config = {"rootfs": {"type": "ly\ners", "diff_ids": []}, "created": "a\nb", "history": [{}, {}]}
    labels = {"config": {"Labels": {"org.opencontainers.image.so\nurce": "a\nb"}}}
    image = {"platform": hostile, "named_for": {**hostile, "os": "q\nz"}, "config": {**config, **labels}}
    layout_of({"images": [image], "index": {}}).write(tmp_path)
    findings = verified({}, f"oci:{tmp_path}").findings
    assert len(findings) > 5
    for finding in findings:
        assert finding.message.isprintable(), finding
        assert (finding.hint or "").isprintable(), finding
