"""The acceptance cases about pulling, by their numbers in the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ocibuild.errors import IntegrityError, OcibuildError, RegistryError
from ocibuild.oci.media_type import OCI_INDEX, OCI_MANIFEST
from ocibuild.registry.repository import Repository
from ocibuild.registry.settings import MIB
from tests.fake_registry import BLOBS, MANIFESTS, TAGS, FakeRegistry, Request, has_header, image_of
from tests.fake_registry.rules import Rule
from tests.registry.support import Blob, Session, blob_of

LAYER = blob_of(5 * MIB)
IMAGE = image_of()
CUT = 7 * len(LAYER.data) // 10


def pull(repository: Repository, name: str = "1") -> bytes:
    """Manifest, config and layers of an image, all of them verified."""
    manifest = repository.read_manifest(repository.resolve(name))
    document = json.loads(manifest)
    assert document["layers"]
    return manifest + b"".join(b"".join(repository.open_blob(Blob(blob).descriptor)) for blob in IMAGE.blobs)


@pytest.fixture
def repository(session: Session, fake_registry: FakeRegistry) -> Repository:
    fake_registry.add_image("team/app", IMAGE, "1")
    fake_registry.add_blob("team/app", LAYER.data)
    return session.repository(fake_registry.host)


@pytest.mark.parametrize(
    "change",
    [lambda rule: rule.flip_byte(10), lambda rule: rule.drop_last_bytes(1), lambda rule: rule.append_bytes(b"x")],
    ids=["one flipped", "one missing", "one more"],
)
@pytest.mark.parametrize(
    "path", [MANIFESTS, f"*/blobs/{Blob(IMAGE.config).digest}", f"*/blobs/{Blob(IMAGE.layers[0]).digest}"],
    ids=["manifest", "config", "layer"],
)  # fmt: skip
def test_17_one_byte_makes_the_difference(
    repository: Repository, fake_registry: FakeRegistry, path: str, change: Callable[[Rule], Any]
) -> None:
    change(fake_registry.quirk("GET", path))
    with pytest.raises(IntegrityError) as caught:
        pull(repository)
    assert caught.value.exit_code == 6


def cut(fake: FakeRegistry) -> None:
    fake.on("GET", BLOBS).cut_response(CUT)


def with_ranges(fake: FakeRegistry) -> Rule:
    return fake.quirk("GET", BLOBS, where=has_header("Range"))


@pytest.mark.parametrize(
    "habit",
    [
        lambda fake: None,
        lambda fake: with_ranges(fake).ignoring("Range"),
        lambda fake: with_ranges(fake).header("Content-Range", "bytes 0-9/10"),
        lambda fake: with_ranges(fake).respond(416),
    ],
    ids=["Range", "Range ignored", "wrong Content-Range", "416"],
)
def test_18_a_pull_that_breaks_off_ends_well(
    repository: Repository, fake_registry: FakeRegistry, habit: Callable[[FakeRegistry], object]
) -> None:
    cut(fake_registry)
    habit(fake_registry)
    assert b"".join(repository.open_blob(LAYER.descriptor)) == LAYER.data


def test_18_other_bytes_in_the_second_part_do_not_pass(repository: Repository, fake_registry: FakeRegistry) -> None:
    cut(fake_registry)
    with_ranges(fake_registry).flip_byte(0)
    with pytest.raises(IntegrityError):
        b"".join(repository.open_blob(LAYER.descriptor))


def other_bytes(fake: FakeRegistry) -> None:
    other = image_of(architecture="arm64").manifest
    fake.add_manifest("team/app", other, OCI_MANIFEST, digest=IMAGE.digest)


def another_type(fake: FakeRegistry) -> None:
    fake.quirk("GET|HEAD", MANIFESTS).content_type(OCI_INDEX)


def two_kinds(fake: FakeRegistry) -> None:
    document = json.dumps(json.loads(IMAGE.manifest) | {"manifests": []}).encode()
    fake.add_manifest("team/app", document, OCI_MANIFEST, "1")


@pytest.mark.parametrize(
    ("lie", "name"), [(other_bytes, IMAGE.digest), (another_type, "1"), (another_type, IMAGE.digest), (two_kinds, "1")]
)
def test_19_documents_that_contradict_themselves(
    repository: Repository, fake_registry: FakeRegistry, lie: Callable[[FakeRegistry], None], name: str
) -> None:
    lie(fake_registry)
    with pytest.raises(IntegrityError) as caught:
        pull(repository, name)
    assert caught.value.exit_code == 6


def after(last: str | None) -> Callable[[Request], bool]:
    """The request for the page that follows a tag; None for the first page."""
    return lambda request: request.value("last") == last


def test_20_250_tags_come_in_three_pages(repository: Repository, fake_registry: FakeRegistry) -> None:
    """Unsorted, with a tag that comes twice, and relative Links."""
    names = [f"r{number}" for number in range(250)]
    pages = {None: names[100:200], "a": [*names[:100], "r7"], "b": names[200:]}
    following = {None: "a", "a": "b"}
    for last, tags in pages.items():
        link = f'<list?last={following[last]}&n=100>; rel="next"' if last in following else ""
        fake_registry.on("GET", TAGS, where=after(last)).respond(
            200, {"Link": link}, json.dumps({"tags": tags}).encode()
        )
    assert repository.tags() == tuple(sorted(names))
    assert fake_registry.count("GET", TAGS) == 3


def test_20_a_cycle_of_links_ends(repository: Repository, fake_registry: FakeRegistry) -> None:
    for last, following in (("a", "b"), ("b", "a"), (None, "a")):
        link = f'</v2/team/app/tags/list?last={following}>; rel="next"'
        fake_registry.on("GET", TAGS, times=None, where=after(last)).respond(200, {"Link": link}, b'{"tags":["x"]}')
    with pytest.raises(RegistryError, match="has no end") as caught:
        repository.tags()
    assert caught.value.exit_code == 4
    assert fake_registry.count("GET", TAGS) == 3


def test_every_error_is_told_in_single_lines(repository: Repository, fake_registry: FakeRegistry) -> None:
    fake_registry.on("GET", BLOBS, times=None).respond(403, body=b"line one\nline two\x1b[2J")
    with pytest.raises(OcibuildError) as caught:
        pull(repository)
    for text in (caught.value.what, caught.value.where, caught.value.hint):
        assert text is None or text.isprintable()
