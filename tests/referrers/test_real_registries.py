"""Debian's docker-registry, which has no referrers API and deletes no tags; skopeo reads what was made there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import StartRegistry
from tests.peers.clients import skopeo
from tests.peers.docker_registry import DockerRegistry
from tests.referrers.conftest import Cli
from tests.referrers.support import NOTES, SBOM, layout_with_image, write

pytestmark = [pytest.mark.peer("docker-registry"), pytest.mark.peer("skopeo")]


@pytest.fixture
def image(docker_registry: DockerRegistry, cli: Cli, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An index of one image in a repository of the test's own."""
    layout_with_image(tmp_path)
    name = f"{docker_registry.host}/referrers/{request.node.name.replace('_', '-')}:1.0"
    done = cli("copy", "oci:layout:1.0", name, "-q")
    assert done.status == 0, done.stderr
    return name


def raw(reference: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(skopeo("inspect", "--raw", f"docker://{reference}").stdout)
    return document


def list_of(image: str, digest: str) -> str:
    return f"{image.rpartition(':')[0]}:{digest.replace(':', '-')}"


def test_what_is_attached_is_listed_and_skopeo_sees_the_list(cli: Cli, image: str, tmp_path: Path) -> None:
    file = write(tmp_path, "{}")
    sbom = cli("attach", image, file, "--type", SBOM, "--annotation", "a=1", "-q")
    notes = cli("attach", image, file, "--type", NOTES, "-q")
    assert sbom.status == 0, sbom.stderr
    shown = cli("referrers", image).stdout
    assert sbom.digest in shown
    assert notes.digest in shown
    subject = cli("digest", image).digest.strip()
    entries = raw(list_of(image, subject))["manifests"]
    assert isinstance(entries, list)
    assert [(each["digest"], each["artifactType"], each.get("annotations")) for each in entries] == [
        (sbom.digest, SBOM, {"a": "1"}),
        (notes.digest, NOTES, None),
    ]
    artifact = raw(f"{image.rpartition(':')[0]}@{sbom.digest}")
    assert artifact["subject"] == {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": subject,
        "size": len(skopeo("inspect", "--raw", f"docker://{image}").stdout),
    }


def test_a_copy_to_a_second_registry_keeps_digests_and_referrers(
    cli: Cli, image: str, tmp_path: Path, start_registry: StartRegistry
) -> None:
    sbom = cli("attach", image, write(tmp_path, "{}"), "--type", SBOM, "-q").digest
    signature = cli("attach", f"{image.rpartition(':')[0]}@{sbom}", write(tmp_path, "x"), "--type", NOTES, "-q").digest
    mirror = f"{start_registry.plain().host}/mirror/app"
    done = cli("copy", image, f"{mirror}:1.0", "--referrers", "-q")
    assert done.status == 0, done.stderr
    assert done.digest == cli("digest", image).digest.strip()
    assert cli("referrers", f"{mirror}:1.0", "--json").json == cli("referrers", image, "--json").json
    assert signature in cli("referrers", f"{mirror}@{sbom}").stdout


def test_all_tags_go_to_a_second_registry_as_they_are(
    cli: Cli, image: str, tmp_path: Path, start_registry: StartRegistry
) -> None:
    cli("attach", image, write(tmp_path, "{}"), "--type", SBOM, "-q")
    cli("tag", image, "latest")
    repository, mirror = image.rpartition(":")[0], f"{start_registry.plain().host}/mirror/app"
    done = cli("copy", "--all-tags", repository, mirror, "-q")
    assert done.status == 0, done.stderr
    assert cli("ls", mirror).stdout == cli("ls", repository).stdout
    assert len(cli("ls", mirror).stdout.splitlines()) == 3, "two tags and a list of referrers"


def test_a_deleted_artifact_is_listed_no_more_and_the_last_one_leaves_an_empty_list(
    cli: Cli, image: str, tmp_path: Path
) -> None:
    repository = image.rpartition(":")[0]
    one = cli("attach", image, write(tmp_path, "one"), "--type", SBOM, "-q").digest
    two = cli("attach", image, write(tmp_path, "two"), "--type", SBOM, "-q").digest
    for gone, left in ((one, [two]), (two, [])):
        done = cli("delete", f"{repository}@{gone}")
        assert (done.status, done.stdout) == (0, f"{repository}@{gone}\n"), done.stderr
        assert [each["digest"] for each in cli("referrers", image, "--json").json["referrers"]] == left


def test_what_skopeo_deleted_does_not_stand_in_the_way(cli: Cli, image: str, tmp_path: Path) -> None:
    repository = image.rpartition(":")[0]
    gone = cli("attach", image, write(tmp_path, "gone"), "--type", SBOM, "-q").digest
    skopeo("delete", f"docker://{repository}@{gone}")
    done = cli("attach", image, write(tmp_path, "new"), "--type", SBOM, "-q")
    assert done.status == 0, done.stderr
    assert [each["digest"] for each in cli("referrers", image, "--json").json["referrers"]] == [done.digest]


def test_a_tag_is_not_deleted_at_the_price_of_the_image(cli: Cli, image: str) -> None:
    cli("tag", image, "latest")
    done = cli("delete", image)
    assert (done.status, done.stdout) == (4, "")
    assert "by digest only" in done.stderr
    assert cli("ls", image.rpartition(":")[0]).stdout.split() == ["1.0", "latest"]
