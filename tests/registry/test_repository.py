"""A repository as a place for images: names, manifests, tags, and what is refused."""

from __future__ import annotations

import json

import pytest

from ocibuild.errors import IntegrityError, NotFoundError, RegistryError, UsageError
from ocibuild.oci.blobs import Outcome
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.media_type import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.fake_registry import MANIFESTS, TAGS, FakeRegistry, Reply, error, image_of, index_of
from tests.fake_registry.fixtures import Run
from tests.fake_registry.profiles import ghcr, registry2
from tests.registry.conftest import OpenSession
from tests.registry.support import KNOWN, PASSWORD, USER, Blob, Session, blob_of, manifest_of, push

LAYERS = [blob_of(3000, seed) for seed in range(2)]
IMAGE = image_of()
INDEX = index_of(image_of(), image_of(architecture="arm64"))
OTHER = blob_of(9).digest


@pytest.fixture
def stocked(fake_registry: FakeRegistry) -> FakeRegistry:
    """A registry that holds IMAGE as team/app:1 and INDEX as team/app:all."""
    fake_registry.add_image("team/app", IMAGE, "1")
    fake_registry.add_image("team/app", INDEX, "all")
    return fake_registry


def resolve(session: Session, fake: FakeRegistry, name: str | None) -> Descriptor:
    return session.repository(fake.host).resolve(name)


# Names


def test_a_tag_and_a_digest_name_the_same(session: Session, stocked: FakeRegistry) -> None:
    by_tag = resolve(session, stocked, "1")
    assert by_tag == resolve(session, stocked, IMAGE.digest)
    assert (by_tag.media_type, str(by_tag.digest), by_tag.size) == (OCI_MANIFEST, IMAGE.digest, len(IMAGE.manifest))
    assert resolve(session, stocked, "all").media_type == OCI_INDEX
    assert stocked.count("GET", MANIFESTS) == 0


def test_no_name_is_latest(session: Session, stocked: FakeRegistry) -> None:
    stocked.add_image("team/app", IMAGE, "latest")
    assert str(resolve(session, stocked, None).digest) == IMAGE.digest


def test_an_unknown_tag_names_those_that_come_near(session: Session, stocked: FakeRegistry) -> None:
    for tag in ("1.10", "1.11", "nightly"):
        stocked.add_image("team/app", IMAGE, tag)
    with pytest.raises(NotFoundError) as caught:
        resolve(session, stocked, "1.12")
    assert "1.1" in str(caught.value.hint)
    assert f"{stocked.host}/team/app:1.12" in caught.value.what


def test_an_unknown_repository_is_not_found(session: Session, fake_registry: FakeRegistry) -> None:
    for name in ("1", OTHER):
        with pytest.raises(NotFoundError, match="there is no"):
            resolve(session, fake_registry, name)


@pytest.mark.parametrize("name", ["-rf", "a b", "sha256:1234", "../x", "x" * 129, ""])
def test_what_is_no_name_is_not_asked_for(session: Session, fake_registry: FakeRegistry, name: str) -> None:
    if name:
        with pytest.raises(UsageError):
            resolve(session, fake_registry, name)
        assert fake_registry.requests() == []


@pytest.mark.parametrize("missing", ["Docker-Content-Digest", "Content-Type", "Content-Length"])
def test_a_head_that_tells_too_little_is_followed_by_a_get(
    session: Session, stocked: FakeRegistry, missing: str
) -> None:
    stocked.quirk("HEAD", MANIFESTS).without_header(missing)
    if missing == "Content-Length":
        stocked.quirk("HEAD", MANIFESTS).chunked()
    descriptor = resolve(session, stocked, "1")
    assert (str(descriptor.digest), descriptor.media_type, descriptor.size) == (
        IMAGE.digest,
        OCI_MANIFEST,
        len(IMAGE.manifest),
    )


def test_a_registry_without_head_is_asked_with_get(session: Session, stocked: FakeRegistry) -> None:
    stocked.quirk("HEAD", MANIFESTS).reply(error(405, "UNSUPPORTED"))
    assert str(resolve(session, stocked, "1").digest) == IMAGE.digest
    repository = session.repository(stocked.host)
    assert repository.tagged("absent") is None
    assert not repository.holds(manifest_of(blob_of(4)).descriptor)
    manifest = push(repository, LAYERS, "new")
    assert stocked.tags("team/app")["new"] == manifest.digest


def test_a_type_that_says_nothing_is_looked_up_in_the_document(session: Session, stocked: FakeRegistry) -> None:
    stocked.quirk("GET|HEAD", MANIFESTS).content_type("application/json; charset=utf-8")
    descriptor = resolve(session, stocked, "1")
    assert descriptor.media_type == OCI_MANIFEST
    assert session.repository(stocked.host).read_manifest(descriptor) == IMAGE.manifest


def test_a_head_that_names_another_digest(session: Session, stocked: FakeRegistry) -> None:
    stocked.quirk("HEAD", MANIFESTS).content_digest(OTHER)
    with pytest.raises(IntegrityError):
        resolve(session, stocked, IMAGE.digest)


def test_a_server_that_closes_idle_connections_without_a_word(session: Session, stocked: FakeRegistry) -> None:
    stocked.quirk("*", "*").close_quietly()
    for _ in range(5):
        assert str(resolve(session, stocked, "1").digest) == IMAGE.digest


# Manifests


@pytest.mark.parametrize(
    "change",
    [
        lambda rule: rule.flip_byte(40),
        lambda rule: rule.append_bytes(b" "),
        lambda rule: rule.drop_last_bytes(1),
        lambda rule: rule.replace_body(image_of(architecture="arm64").manifest),
        lambda rule: rule.content_type(DOCKER_MANIFEST),
        lambda rule: rule.content_type(OCI_INDEX),
    ],
    ids=["flipped", "longer", "shorter", "another", "docker's type", "an index's type"],
)
def test_a_manifest_is_what_its_descriptor_says(session: Session, stocked: FakeRegistry, change: object) -> None:
    descriptor = resolve(session, stocked, "1")
    change(stocked.quirk("GET", MANIFESTS))  # type: ignore[operator]
    with pytest.raises(IntegrityError):
        session.repository(stocked.host).read_manifest(descriptor)


@pytest.mark.parametrize(
    "document",
    [
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [], "manifests": []},
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []},
        {"schemaVersion": 1, "mediaType": OCI_MANIFEST, "config": {}, "layers": []},
        [],
    ],
    ids=["two kinds at once", "another type inside", "schema 1", "no object"],
)
def test_a_manifest_is_one_kind_of_document(session: Session, fake_registry: FakeRegistry, document: object) -> None:
    raw = json.dumps(document).encode()
    fake_registry.add_manifest("team/app", raw, OCI_MANIFEST, "1")
    repository = session.repository(fake_registry.host)
    with pytest.raises(IntegrityError):
        repository.read_manifest(repository.resolve("1"))


def test_a_manifest_beyond_the_limit_is_not_read(session: Session, fake_registry: FakeRegistry) -> None:
    blob = Blob(b" " * (4 * 1024 * 1024 + 1), OCI_MANIFEST)
    fake_registry.add_manifest("team/app", blob.data, OCI_MANIFEST, "1")
    with pytest.raises(IntegrityError, match="at most"):
        session.repository(fake_registry.host).read_manifest(blob.descriptor)
    assert fake_registry.count("GET", MANIFESTS) == 0


def test_a_manifest_that_goes_on_for_ever_is_cut(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("GET", MANIFESTS, times=None).respond(
        200, {"Content-Type": OCI_MANIFEST}, b"x" * 6_000_000
    ).chunked()
    manifest = manifest_of(*LAYERS)
    with pytest.raises(IntegrityError, match="longer"):
        session.repository(fake_registry.host).read_manifest(manifest.descriptor)


def test_docker_registry_finds_manifests_by_what_is_accepted(session: Session, stocked: FakeRegistry) -> None:
    registry2(stocked)
    repository = session.repository(stocked.host)
    assert repository.read_manifest(repository.resolve("all")) == INDEX.manifest


# Writing


def test_an_image_is_pushed_in_the_order_of_the_specification(session: Session, fake_registry: FakeRegistry) -> None:
    manifest = push(session.repository(fake_registry.host), LAYERS, "1", "latest")
    writes = [(record.method, record.path.rpartition("/")[2]) for record in fake_registry.requests("PUT")]
    assert [method for method, _ in writes] == ["PUT"] * 6
    assert [name for _, name in writes[3:]] == [manifest.digest, "1", "latest"]
    assert fake_registry.tags("team/app") == {"1": manifest.digest, "latest": manifest.digest}


def test_a_second_push_sends_nothing(session: Session, new_session: OpenSession, fake_registry: FakeRegistry) -> None:
    push(session.repository(fake_registry.host), LAYERS, "1")
    fake_registry.forget()
    push(new_session().repository(fake_registry.host), LAYERS, "1")
    assert [record.method for record in fake_registry.requests()] == ["GET"] + ["HEAD"] * 5


def test_putting_a_manifest_twice(session: Session, fake_registry: FakeRegistry) -> None:
    manifest = push(session.repository(fake_registry.host), LAYERS)
    repository = session.repository(fake_registry.host)
    assert repository.put_manifest(manifest.descriptor, manifest.data) is Outcome.EXISTS


def test_a_manifest_that_the_registry_stores_under_another_digest(
    session: Session, fake_registry: FakeRegistry
) -> None:
    fake_registry.quirk("PUT", MANIFESTS).content_digest(OTHER)
    with pytest.raises(IntegrityError, match="the registry stored"):
        push(session.repository(fake_registry.host), LAYERS)


def test_a_missing_blob_is_explained(session: Session, fake_registry: FakeRegistry) -> None:
    manifest = manifest_of(*LAYERS)
    with pytest.raises(RegistryError) as caught:
        session.repository(fake_registry.host).put_manifest(manifest.descriptor, manifest.data)
    assert "MANIFEST_BLOB_UNKNOWN" in caught.value.codes
    assert "push the image again" in str(caught.value.hint)


def test_layers_with_urls_are_explained_where_they_are_refused(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.settings.foreign_urls = False
    layer = {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "digest": OTHER, "size": 1, "urls": ["https://e.com/x"]}  # fmt: skip
    document = json.loads(IMAGE.manifest) | {"layers": [layer]}
    manifest = Blob(json.dumps(document).encode(), OCI_MANIFEST)
    for blob in IMAGE.blobs:
        session.repository(fake_registry.host).put_blob(Blob(blob).source())
    with pytest.raises(RegistryError) as caught:
        session.repository(fake_registry.host).put_manifest(manifest.descriptor, manifest.data)
    assert "validation.manifests.urls.allow" in str(caught.value.hint)
    assert fake_registry.count("PUT", MANIFESTS) <= 2


# Tags


def test_a_tag_moves(session: Session, fake_registry: FakeRegistry) -> None:
    repository = session.repository(fake_registry.host)
    push(repository, LAYERS, "1")
    second = push(repository, LAYERS[:1], "1")
    assert fake_registry.tags("team/app") == {"1": second.digest}
    assert repository.tagged("1") == second.descriptor.digest
    assert repository.tagged("2") is None


def test_a_tag_that_is_right_already_takes_one_request(session: Session, fake_registry: FakeRegistry) -> None:
    repository = session.repository(fake_registry.host)
    manifest = push(repository, LAYERS, "1")
    fake_registry.forget()
    assert repository.tag(manifest.descriptor, manifest.data, "1") is Outcome.EXISTS
    assert [record.method for record in fake_registry.requests()] == ["HEAD"]


def test_ghcr_shows_a_new_tag_late(new_session: OpenSession, fake_registry: FakeRegistry) -> None:
    ghcr(fake_registry, USER, PASSWORD)
    fake_registry.on("HEAD", "*/manifests/1", skip=1, times=4).reply(error(404, "MANIFEST_UNKNOWN"))
    session = new_session(credentials=KNOWN)
    push(session.repository(fake_registry.host), LAYERS, "1")
    assert session.waits == [0.5, 1.0, 2.0, 4.0]


def test_a_tag_that_never_shows(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("HEAD", "*/manifests/1", times=None).reply(error(404, "MANIFEST_UNKNOWN"))
    with pytest.raises(RegistryError, match="does not show it"):
        push(session.repository(fake_registry.host), LAYERS, "1")
    assert len(session.waits) == 5


def test_a_tag_that_points_elsewhere_afterwards(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("HEAD", "*/manifests/1").content_digest(OTHER)
    with pytest.raises(IntegrityError, match="instead of"):
        push(session.repository(fake_registry.host), LAYERS, "1")


def immutable() -> Reply:
    message = "The image tag '1' already exists in the 'app' repository and cannot be overwritten because the repository is immutable."
    return error(400, {"code": "TAG_INVALID", "message": message, "detail": None})


def test_an_immutable_tag_that_is_right_is_a_success(session: Session, fake_registry: FakeRegistry) -> None:
    """The first PUT stored it, but its reply was lost; the second one is refused."""
    fake_registry.on("PUT", "*/manifests/1").hang_up()
    fake_registry.on("PUT", "*/manifests/1", times=None).reply(immutable())
    manifest = push(session.repository(fake_registry.host), LAYERS, "1")
    assert fake_registry.tags("team/app") == {"1": manifest.digest}


def test_an_immutable_tag_that_points_elsewhere_is_explained(session: Session, fake_registry: FakeRegistry) -> None:
    first = push(session.repository(fake_registry.host), LAYERS, "1")
    fake_registry.on("PUT", "*/manifests/1", times=None).reply(immutable())
    with pytest.raises(RegistryError, match=f"must not be moved: it is immutable and points to {first.digest}"):
        push(session.repository(fake_registry.host), LAYERS[:1], "1")


def test_another_refusal_of_a_tag_stays_what_it_is(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", "*/manifests/1", times=None).reply(error(400, "TAG_INVALID"))
    with pytest.raises(RegistryError, match="status 400"):
        push(session.repository(fake_registry.host), LAYERS, "1")


def test_an_old_ecr_does_not_tell_digests(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.settings.digest_header = "none"
    manifest = push(session.repository(fake_registry.host), LAYERS, "1")
    assert fake_registry.tags("team/app") == {"1": manifest.digest}


def test_deleting(session: Session, stocked: FakeRegistry) -> None:
    repository = session.repository(stocked.host)
    repository.delete("1")
    assert set(stocked.tags("team/app")) == {"all"}
    repository.delete(INDEX.digest)
    assert stocked.tags("team/app") == {}
    with pytest.raises(NotFoundError):
        repository.delete(INDEX.digest)


def test_a_registry_that_deletes_no_tags_does_not_lose_the_manifest(session: Session, stocked: FakeRegistry) -> None:
    registry2(stocked)
    with pytest.raises(RegistryError) as caught:
        session.repository(stocked.host).delete("1")
    assert "by digest only" in str(caught.value.hint)
    assert "1" in stocked.tags("team/app")


def test_holding(session: Session, stocked: FakeRegistry) -> None:
    repository = session.repository(stocked.host)
    manifest = repository.resolve("1")
    assert repository.holds(manifest)
    assert repository.holds(Blob(IMAGE.config).descriptor)
    assert not repository.holds(blob_of(5).descriptor)
    assert list(repository.blob_origins(manifest)) == [repository.reference]


# Listing


@pytest.mark.parametrize("link", ["path", "absolute"])
def test_tags_come_in_pages(session: Session, fake_registry: FakeRegistry, link: str) -> None:
    fake_registry.settings.link = link  # type: ignore[assignment]
    fake_registry.settings.default_page = fake_registry.settings.max_page = None
    fake_registry.quirk("GET", TAGS)
    names = [f"v{number}" for number in range(2500)]
    fake_registry.add_image("team/app", IMAGE, *names)
    assert session.repository(fake_registry.host).tags() == tuple(sorted(names))
    assert fake_registry.count("GET", TAGS) == 3


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        (b'{"name":"team/app","tags":null}', ()),
        (b'{"name":"team/app"}', ()),
        (b'{"tags":["b","a","b",7]}', ("a", "b")),
        (b'{"tags":"all"}', ()),
    ],
)
def test_lists_of_other_shapes(
    session: Session, fake_registry: FakeRegistry, body: bytes, tags: tuple[str, ...]
) -> None:
    fake_registry.on("GET", TAGS).respond(200, body=body)
    assert session.repository(fake_registry.host).tags() == tags


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>"])
def test_what_is_no_list(session: Session, fake_registry: FakeRegistry, body: bytes) -> None:
    fake_registry.on("GET", TAGS).respond(200, body=body)
    with pytest.raises(RegistryError, match="not a JSON object"):
        session.repository(fake_registry.host).tags()


@pytest.mark.parametrize("link", ["", "nonsense", "<", '</x>; rel="prev"', "</x>"])
def test_links_that_lead_nowhere(session: Session, fake_registry: FakeRegistry, link: str) -> None:
    fake_registry.on("GET", TAGS).respond(200, {"Link": link}, b'{"tags":["a"]}')
    assert session.repository(fake_registry.host).tags() == ("a",)


def test_a_link_to_another_host_is_not_followed(session: Session, fake_registry: FakeRegistry, running: Run) -> None:
    other = running(FakeRegistry())
    link = f'<{other.url}/v2/team/app/tags/list?last=a>; rel="next"'
    fake_registry.on("GET", TAGS).respond(200, {"Link": link}, b'{"tags":["a"]}')
    with pytest.raises(RegistryError, match="Link to the next page"):
        session.repository(fake_registry.host).tags()
    assert other.requests() == []


def test_a_warning_of_the_registry_is_shown_once_and_harmless(session: Session, stocked: FakeRegistry) -> None:
    stocked.quirk("*", "*").header("Warning", '299 - "moving to \x1b]0;x\x07 soon"')
    for _ in range(3):
        resolve(session, stocked, "1")
    assert session.warnings == [f"{stocked.host} warns: moving to \\x1b]0;x\\x07 soon"]
