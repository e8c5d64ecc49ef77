"""tag: further names for an image where it is."""

from __future__ import annotations

import json

import pytest

from ocibuild import api
from ocibuild.errors import UsageError
from ocibuild.oci.media_type import OCI_MANIFEST
from tests.fake_registry import BLOBS, MANIFESTS, FakeRegistry, error
from tests.oracles.layouts import read_layout
from tests.recipes.support import HELLO, Desk, digest, names

SINGLE = f"image: localhost:5000/team/app\ntags: [v1]\n{HELLO}"


@pytest.fixture
def source(desk: Desk, fake_registry: FakeRegistry) -> str:
    """`HOST/team/app:v1` in a registry."""
    desk.build(SINGLE, to="built")
    name = f"{fake_registry.host}/team/app:v1"
    api.copy(desk.at("oci:built"), desk.at(name), desk.places)
    return name


def tag(desk: Desk, at: str, *names: str) -> str:
    return str(api.tag(desk.at(at), names, desk.places).digest)


def test_further_tags_in_a_registry(desk: Desk, source: str, fake_registry: FakeRegistry) -> None:
    fake_registry.forget()
    found = tag(desk, source, "v1.0", f"{fake_registry.host}/team/app:latest")
    assert fake_registry.tags("team/app") == dict.fromkeys(["v1", "v1.0", "latest"], found)
    assert fake_registry.count("*", BLOBS) == 0
    held = fake_registry.manifest("team/app", "latest")
    assert held is not None
    assert held.media_type == OCI_MANIFEST


def test_a_tag_points_to_what_a_digest_names(desk: Desk, source: str, fake_registry: FakeRegistry) -> None:
    found = digest(desk, source)
    assert tag(desk, source.replace(":v1", f"@{found}"), "stable") == found
    assert fake_registry.tags("team/app")["stable"] == found


def test_a_tag_of_another_repository_is_refused_before_any_request(
    desk: Desk, source: str, fake_registry: FakeRegistry
) -> None:
    fake_registry.forget()
    with pytest.raises(UsageError):
        tag(desk, source, f"{fake_registry.host}/team/other:v1")
    assert fake_registry.count("PUT", MANIFESTS) == 0


def test_further_names_in_a_layout(desk: Desk) -> None:
    (built,) = desk.build(SINGLE, to="built")
    before = {path.name for path in desk.path("built/blobs/sha256").iterdir()}
    assert tag(desk, "oci:built", "stable", "localhost/other:v2") == str(built.descriptor.digest)
    assert sorted(names(desk, "oci:built")) == ["localhost/other:v2", "localhost:5000/team/app:v1", "stable"]
    assert {path.name for path in desk.path("built/blobs/sha256").iterdir()} == before


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_archives_are_not_changed(desk: Desk, kind: str) -> None:
    desk.build(SINGLE, to=f"{kind}:image.tar")
    before = desk.path("image.tar").read_bytes()
    with pytest.raises(UsageError, match="archives are not changed") as caught:
        tag(desk, f"{kind}:image.tar", "stable")
    assert "copy it to a layout" in (caught.value.hint or "")
    assert desk.path("image.tar").read_bytes() == before


@pytest.mark.parametrize("name", ["no spaces", "", "-dash", "x" * 129])
def test_what_is_no_tag_is_refused(desk: Desk, source: str, fake_registry: FakeRegistry, name: str) -> None:
    before = fake_registry.tags("team/app")
    with pytest.raises(UsageError):
        tag(desk, source, "good", name)
    assert fake_registry.tags("team/app") == before
    desk.build(SINGLE, to="layout")
    with pytest.raises(UsageError):
        tag(desk, "oci:layout", "good", name)
    assert names(desk, "oci:layout") == ["localhost:5000/team/app:v1"]


def test_a_refused_tag_is_an_error(desk: Desk, source: str, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", MANIFESTS, times=None).reply(error(403, "DENIED"))
    with pytest.raises(Exception, match="latest"):
        tag(desk, source, "latest")
    assert list(fake_registry.tags("team/app")) == ["v1"]


def test_the_index_document_of_a_layout_stays_valid(desk: Desk) -> None:
    desk.build(SINGLE, to="built")
    tag(desk, "oci:built", "stable")
    document = json.loads(desk.path("built/index.json").read_bytes())
    assert document["schemaVersion"] == 2
    assert len(read_layout(desk.path("built"))) == 2
