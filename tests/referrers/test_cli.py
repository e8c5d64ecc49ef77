"""The commands: what stands on stdout, exit codes, and what is said when it cannot be done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fake_registry import FakeRegistry
from tests.referrers.conftest import Cli
from tests.referrers.support import IMAGE, NOTES, REPOSITORY, SBOM, at, layout_with_image, write


@pytest.fixture
def image(fake_registry: FakeRegistry) -> str:
    """The name of an image in a registry without the referrers API."""
    fake_registry.settings.referrers = False
    fake_registry.add_image(REPOSITORY, IMAGE, "1.0")
    return at(fake_registry)


@pytest.fixture
def sbom(tmp_path: Path) -> Path:
    return write(tmp_path, "{}")


def test_attach_prints_where_the_artifact_is(cli: Cli, image: str, sbom: Path, fake_registry: FakeRegistry) -> None:
    done = cli("attach", image, sbom, "--type", SBOM, "--annotation", "a=1", "-q")
    assert (done.status, done.stderr) == (0, "")
    name, _, digest = done.stdout.strip().partition("@")
    assert name == f"{fake_registry.host}/{REPOSITORY}"
    found = fake_registry.manifest(REPOSITORY, digest)
    assert found is not None
    assert json.loads(found.data)["annotations"] == {"a": "1"}, "nothing that changes from run to run"


@pytest.mark.parametrize(
    ("short", "media_type"),
    [("spdx", "application/spdx+json"), ("cyclonedx", "application/vnd.cyclonedx+json"), (NOTES, NOTES)],
)
def test_kinds_of_sboms_have_short_names(cli: Cli, image: str, sbom: Path, short: str, media_type: str) -> None:
    digest = cli("attach", image, sbom, "--type", short, "-q").digest
    (found,) = cli("referrers", image, "--type", short, "--json").json["referrers"]
    assert (found["digest"], found["artifactType"]) == (digest, media_type)


def test_attach_takes_its_time_from_the_environment(
    cli: Cli, image: str, sbom: Path, fake_registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    digest = cli("attach", image, sbom, "--type", SBOM, "-q").digest
    found = fake_registry.manifest(REPOSITORY, digest)
    assert found is not None
    assert json.loads(found.data)["annotations"] == {"org.opencontainers.image.created": "1970-01-01T00:00:00Z"}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "now")
    done = cli("attach", image, sbom, "--type", SBOM)
    assert done.status == 2
    assert "SOURCE_DATE_EPOCH" in done.stderr


def test_referrers_prints_a_table_or_a_document(cli: Cli, image: str, sbom: Path) -> None:
    assert cli("referrers", image).stderr == "note: nothing refers to this image\n"
    one = cli("attach", image, sbom, "--type", SBOM, "--annotation", "a=1", "--annotation", "b=2", "-q").digest
    two = cli("attach", image, sbom, "--type", NOTES, "--media-type", "text/plain", "-q").digest
    header, *rows = cli("referrers", image).stdout.splitlines()
    assert header.split() == ["DIGEST", "TYPE", "SIZE", "ANNOTATIONS"]
    assert [row.split()[:2] for row in rows] == [[one, SBOM], [two, NOTES]]
    assert rows[0].endswith("a=1,b=2")
    document = cli("referrers", image, "--type", NOTES, "--json").json
    assert document["schemaVersion"] == 1
    assert document["subject"]["digest"] == IMAGE.digest
    (referrer,) = document["referrers"]
    assert (referrer["digest"], referrer["artifactType"]) == (two, NOTES)


def test_a_layout_is_as_good_as_a_registry(cli: Cli, tmp_path: Path, sbom: Path) -> None:
    layout_with_image(tmp_path)
    done = cli("attach", "oci:layout", sbom, "--type", SBOM, "--platform", "linux/amd64", "-q")
    assert done.status == 0
    assert done.stdout.startswith("sha256:")
    assert cli("referrers", "oci:layout").stdout.splitlines() == ["DIGEST   TYPE   SIZE   ANNOTATIONS"]
    assert done.digest in cli("referrers", "oci:layout", "--platform", "linux/amd64").stdout


def test_what_others_wrote_cannot_steer_the_terminal(cli: Cli, tmp_path: Path, sbom: Path) -> None:
    layout_with_image(tmp_path)
    cli("attach", "oci:layout", sbom, "--type", SBOM, "--annotation", "a=\x1b[31mred\nDIGEST")
    shown = cli("referrers", "oci:layout").stdout
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 2


def test_copy_takes_them_along(cli: Cli, image: str, sbom: Path) -> None:
    digest = cli("attach", image, sbom, "--type", SBOM, "-q").digest
    assert cli("copy", image, "oci:mirror:1.0", "--referrers", "-q").stdout == f"{IMAGE.digest}\n"
    assert digest in cli("referrers", "oci:mirror:1.0").stdout


def test_copy_of_all_tags_prints_each(cli: Cli, image: str, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image(REPOSITORY, IMAGE, "latest")
    done = cli("copy", "--all-tags", image.removesuffix(":1.0"), f"{fake_registry.host}/mirror/app", "-q")
    assert done.status == 0
    assert done.stdout.splitlines() == [
        f"{fake_registry.host}/mirror/app:{tag}@{IMAGE.digest}" for tag in ("1.0", "latest")
    ]
    assert cli("copy", "--all-tags", "--platform", "linux/amd64", image, "oci:x").status == 2


def test_delete_prints_what_went_and_stops_at_what_does_not(cli: Cli, image: str, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image(REPOSITORY, IMAGE, "latest", "other")
    latest, other = at(fake_registry, "latest"), at(fake_registry, "other")
    done = cli("delete", image, at(fake_registry, "none"), other)
    assert (done.status, done.stdout) == (4, f"{image}\n")
    assert "none" in done.stderr
    assert fake_registry.tags(REPOSITORY).keys() == {"latest", "other"}
    done = cli("delete", latest, other)
    assert (done.status, done.stdout) == (0, f"{latest}\n{other}\n")


def test_delete_reads_all_names_before_it_begins(cli: Cli, image: str, fake_registry: FakeRegistry) -> None:
    assert cli("delete", image, "Not A Reference").status == 2
    assert fake_registry.count("DELETE") == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("attach", "{image}", "sbom.json"), 2, "--type"),
        (("attach", "{image}", "sbom.json", "--type", "sbom"), 2, "not a media type"),
        (("attach", "{image}", "missing.json", "--type", SBOM), 3, "missing.json"),
        (("attach", "{image}0", "sbom.json", "--type", SBOM), 4, "there is no"),
        (("referrers", "{image}0"), 4, "there is no"),
        (("delete",), 2, "IMAGE"),
        (("delete", "127.0.0.1:9/team/app"), 2, "which image"),
    ],
)
def test_what_cannot_be_done_has_its_exit_code_and_its_reason(
    cli: Cli, image: str, sbom: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    assert sbom.exists()
    done = cli(*(argument.format(image=image) for argument in arguments))
    assert (done.status, done.stdout) == (status, "")
    assert words in done.stderr
