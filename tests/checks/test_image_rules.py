"""The hard rules: each fires exactly where its limit is crossed, says what and how to mend it, and says it once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocibuild.findings import Severity
from ocibuild.oci.media_type import DOCKER_FOREIGN_LAYER, OCI_FOREIGN_LAYER
from tests.checks.images import DESCRIPTION, GENERIC, LICENSES, PLATFORM, Sample, image, index, layer

URL = ("https://example.org/layer",)
FOREIGN = f"{OCI_FOREIGN_LAYER}+gzip"
UNKNOWN = {"os": "unknown", "architecture": "unknown"}


def test_a_good_image_has_no_findings() -> None:
    good = image(layer(), annotations={DESCRIPTION: "Says hello", LICENSES: "MIT"}, labels={DESCRIPTION: "Says hello"})
    assert good.findings() == ()
    assert index(good, annotations={DESCRIPTION: "Says hello"}).findings() == ()


@pytest.mark.parametrize(("size", "rules"), [(10**10, []), (10**10 + 1, ["layer-too-large"])])
def test_a_layer_has_at_most_ten_gigabytes(size: int, rules: list[str]) -> None:
    assert image(layer(), layer(size)).rules() == rules


def test_a_large_layer_is_named_with_its_place() -> None:
    (finding,) = index(image(layer(), layer(10**10 + 1))).findings()
    assert "layer 2 of linux/amd64" in finding.message
    assert "10,000,000,001 bytes" in finding.message
    assert finding.hint == "split its files over several layers"
    assert (str(finding.place), finding.severity) == ("example.org/app", Severity.ERROR)


@pytest.mark.parametrize(
    ("foreign", "rules"),
    [
        (layer(media_type=FOREIGN, urls=URL), []),
        (layer(media_type=FOREIGN), ["foreign-layer-without-urls"]),
        (layer(media_type=f"{DOCKER_FOREIGN_LAYER}.gzip"), ["foreign-layer-without-urls", "mixed-media-types"]),
        # It is not uploaded, and so no limit on uploads counts.
        (layer(10**10 + 1, media_type=FOREIGN, urls=URL), []),
    ],
)
def test_a_foreign_layer_says_where_it_can_be_had(foreign: object, rules: list[str]) -> None:
    assert image(foreign).rules() == rules  # type: ignore[arg-type]


@pytest.mark.parametrize("character", ["x", "é", "語", "🎉"], ids=["ascii", "two bytes", "three bytes", "four bytes"])
@pytest.mark.parametrize(
    ("key", "limit", "rule"), [(DESCRIPTION, 512, "description-too-long"), (LICENSES, 256, "licenses-too-long")]
)
def test_texts_are_measured_in_characters(key: str, limit: int, rule: str, character: str) -> None:
    assert image(annotations={key: character * limit}).rules() == []
    assert image(annotations={key: character * (limit + 1)}).rules() == [rule]


@pytest.mark.parametrize(
    ("sample", "level"),
    [
        (image(annotations={DESCRIPTION: "x" * 513}), "manifest annotations"),
        (image(labels={DESCRIPTION: "x" * 513}), "labels"),
        (index(image(), annotations={DESCRIPTION: "x" * 513}), "index annotations"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_texts_count_at_every_level_that_a_registry_reads(sample: Sample, level: str) -> None:
    (finding,) = sample.findings()
    assert finding.message == f"the description in the {level} has 513 characters; profile generic takes 512"
    assert finding.hint == "shorten the description"


def test_one_fault_in_all_platforms_is_told_once() -> None:
    arm = {"os": "linux", "architecture": "arm64"}
    long = {DESCRIPTION: "x" * 513}
    both = index(image(annotations=long), image(annotations=long, platform=arm, named_for=arm))
    assert both.rules() == ["description-too-long"]


def test_all_faults_are_told_at_once() -> None:
    bad = index(
        image(
            layer(10**10 + 1),
            layer(media_type=FOREIGN),
            annotations={DESCRIPTION: "x" * 513},
            labels={LICENSES: "y" * 257},
        ),
        image(layer(1), named_for=None),
    )
    assert bad.rules() == [
        "layer-too-large",
        "foreign-layer-without-urls",
        "description-too-long",
        "licenses-too-long",
        "missing-platform",
    ]


@pytest.mark.parametrize("named_for", [None, {}, {"os": "linux"}, {"architecture": "amd64"}])
def test_an_index_says_the_platform_of_every_image(named_for: dict[str, str] | None) -> None:
    sample = index(image(named_for=named_for))
    assert sample.rules() == ["missing-platform"]
    assert sample.findings()[0].message.endswith("without a platform: no runtime would choose it")


@pytest.mark.parametrize(
    "platform", [{}, {"os": "linux"}, {"architecture": "amd64"}, {"os": "", "architecture": "amd64"}]
)
def test_a_config_says_its_platform(platform: dict[str, str]) -> None:
    sample = image(platform=platform)
    assert sample.rules() == ["missing-platform"]
    assert "does not say which os and architecture it is for" in sample.findings()[0].message


def test_a_single_image_needs_no_platform_in_its_descriptor() -> None:
    assert image(named_for=None).rules() == []


@pytest.mark.parametrize(
    "companion",
    [
        # As BuildKit puts attestations into an index.
        image(layer(), platform=UNKNOWN, named_for=UNKNOWN),
        # As a signature lies in one.
        image(
            layer(media_type="application/vnd.example"), named_for=None, config_type="application/vnd.example.config"
        ),
        image(named_for=None, artifactType="application/vnd.example.report"),
    ],
    ids=["attestation", "foreign config", "artifact type"],
)
def test_what_is_no_image_needs_no_platform(companion: Sample) -> None:
    assert index(image(layer()), companion).rules() == []


def test_a_manifest_has_at_most_what_registries_take() -> None:
    sample = image(annotations={"comment": "x" * 1000})
    size = sample.node.descriptor.size
    assert sample.rules(replace(GENERIC, manifest_size=size)) == []
    assert sample.rules(replace(GENERIC, manifest_size=size - 1)) == ["manifest-too-large"]


def test_an_index_is_a_manifest_too() -> None:
    sample = index(image(), annotations={"comment": "x" * 1000})
    assert sample.rules(replace(GENERIC, manifest_size=sample.node.descriptor.size - 1)) == ["manifest-too-large"]


def test_the_limits_are_those_of_the_profile() -> None:
    own = replace(GENERIC, name="own", layer_size=1000, description_length=5, licenses_length=3)
    sample = image(layer(1001), annotations={DESCRIPTION: "longer", LICENSES: "MIT"}, platform=PLATFORM)
    assert sample.rules(own) == ["layer-too-large", "description-too-long"]
    assert all("own takes" in finding.message for finding in sample.findings(own))
