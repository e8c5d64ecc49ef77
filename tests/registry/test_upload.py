"""Blobs on their way up: each way that a registry may want, and each way to fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ocibuild.errors import IntegrityError, NetworkError, RegistryError
from ocibuild.oci.blobs import BlobSource, Outcome
from ocibuild.oci.reference import parse_reference
from ocibuild.registry.settings import MIB
from tests.fake_registry import (
    BLOBS,
    SESSIONS,
    UPLOADS,
    Ending,
    FakeRegistry,
    Recorder,
    absolute,
    error,
    has_query,
    last_segment,
)
from tests.fake_registry.fixtures import Run
from tests.fake_registry.profiles import GHCR_SECONDARY_LIMIT, GHCR_THROTTLED, ecr, gar, harbor
from tests.registry.conftest import OpenSession
from tests.registry.support import KNOWN, PASSWORD, USER, Blob, Session, blob_of

SMALL = blob_of(5000)
LARGE = blob_of(10 * MIB + 7)


def put(session: Session, fake: FakeRegistry, blob: Blob = SMALL, *origins: str) -> Outcome:
    sources = [parse_reference(f"{fake.host}/{name}") for name in origins]
    return session.repository(fake.host).put_blob(blob.source(*sources))


def methods(fake: FakeRegistry) -> list[str]:
    """What was asked after the first contact."""
    return [record.method for record in fake.requests()][1:]


def assert_stored(fake: FakeRegistry, blob: Blob = SMALL) -> None:
    assert fake.blob("team/app", blob.digest) == blob.data
    fake.settle()
    assert fake.open_sessions == 0


@pytest.mark.parametrize("blob", [blob_of(0), blob_of(1), SMALL, LARGE], ids=["empty", "one byte", "small", "large"])
def test_a_blob_is_looked_for_then_sent_in_one_piece(session: Session, fake_registry: FakeRegistry, blob: Blob) -> None:
    assert put(session, fake_registry, blob) is Outcome.SENT
    assert methods(fake_registry) == ["HEAD", "POST", "PUT"]
    assert_stored(fake_registry, blob)
    assert session.advanced(blob.descriptor) == len(blob.data)


def test_what_is_there_is_not_sent(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.add_blob("team/app", SMALL.data)
    assert put(session, fake_registry) is Outcome.EXISTS
    assert methods(fake_registry) == ["HEAD"]
    assert session.advanced(SMALL.descriptor) == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", UPLOADS, 200), ("POST", UPLOADS, 204), ("PUT", SESSIONS, 200), ("PUT", SESSIONS, 202), ("PUT", SESSIONS, 204)],
)  # fmt: skip
def test_other_words_for_success(
    session: Session, fake_registry: FakeRegistry, method: str, path: str, status: int
) -> None:
    fake_registry.quirk(method, path).status(status)
    assert put(session, fake_registry) is Outcome.SENT
    assert_stored(fake_registry)


@pytest.mark.parametrize("status", [404, 405, 413, 416])
def test_a_registry_without_monolithic_uploads_gets_a_stream(
    session: Session, fake_registry: FakeRegistry, status: int
) -> None:
    """404: old Artifactory (buildx#196)."""
    fake_registry.on("PUT", SESSIONS).respond(status)
    assert put(session, fake_registry) is Outcome.SENT
    assert methods(fake_registry) == ["HEAD", "POST", "PUT", "DELETE", "POST", "PATCH", "PUT"]
    (patch,) = fake_registry.requests("PATCH", SESSIONS)
    assert "Content-Range" not in patch.headers
    assert_stored(fake_registry)
    assert session.waits == []
    assert session.advanced(SMALL.descriptor) == len(SMALL.data)


def body_over(limit: int) -> object:
    return lambda request: (request.declared_length or 0) > limit


def limit_bodies(fake: FakeRegistry, limit: int, status: int) -> None:
    fake.on("PUT|PATCH", SESSIONS, times=None, where=body_over(limit)).early_reply(status)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [413, 416])
def test_a_limit_on_bodies_leads_to_chunks(session: Session, fake_registry: FakeRegistry, status: int) -> None:
    limit_bodies(fake_registry, 4 * MIB, status)
    assert put(session, fake_registry, LARGE) is Outcome.SENT
    patches = fake_registry.requests("PATCH", SESSIONS, status=202)
    assert [patch.headers.get("Content-Range") for patch in patches] == [
        f"0-{4 * MIB - 1}",
        f"{4 * MIB}-{8 * MIB - 1}",
        f"{8 * MIB}-{10 * MIB + 6}",
    ]
    assert_stored(fake_registry, LARGE)
    assert session.advanced(LARGE.descriptor) == len(LARGE.data)


def test_what_worked_is_remembered_for_the_host(new_session: OpenSession, fake_registry: FakeRegistry) -> None:
    session = new_session(chunk_size=1000)
    limit_bodies(fake_registry, 1000, 413)
    put(session, fake_registry, blob_of(5000, 1))
    fake_registry.forget()
    put(session, fake_registry, blob_of(5000, 2))
    assert [record.method for record in fake_registry.requests()] == ["HEAD", "POST", *["PATCH"] * 5, "PUT"]


def test_the_least_size_of_a_chunk_is_kept(new_session: OpenSession, fake_registry: FakeRegistry) -> None:
    session = new_session(chunk_size=1000)
    fake_registry.settings.min_chunk = 3000
    limit_bodies(fake_registry, 4000, 413)
    assert put(session, fake_registry, blob_of(10_000)) is Outcome.SENT
    sizes = [record.body_length for record in fake_registry.requests("PATCH", SESSIONS, status=202)]
    assert sizes == [3000, 3000, 3000, 1000]


def test_chunks_that_do_not_fit_into_memory_are_not_made(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.settings.min_chunk = 1 << 40
    limit_bodies(fake_registry, 1000, 413)
    with pytest.raises(RegistryError, match="wants chunks of"):
        put(session, fake_registry)


def test_a_registry_that_takes_nothing_says_why(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT|PATCH", SESSIONS, times=None).reply(error(413, "SIZE_INVALID"))
    with pytest.raises(RegistryError, match="status 413") as caught:
        put(session, fake_registry)
    assert caught.value.codes == ("SIZE_INVALID",)
    assert fake_registry.count("POST", UPLOADS) == 3
    assert session.waits == []


def test_google_takes_no_chunks(session: Session, fake_registry: FakeRegistry) -> None:
    gar(fake_registry)
    assert put(session, fake_registry, LARGE) is Outcome.SENT


def test_amazon_says_created_to_a_chunk_and_its_range_sticks(
    new_session: OpenSession, fake_registry: FakeRegistry
) -> None:
    ecr(fake_registry, ["team/app"], USER, PASSWORD)
    limit_bodies(fake_registry, 4 * MIB, 413)
    session = new_session(credentials=KNOWN)
    assert put(session, fake_registry, LARGE) is Outcome.SENT
    assert_stored(fake_registry, LARGE)


def test_harbor_wants_no_cookie(session: Session, fake_registry: FakeRegistry) -> None:
    harbor(fake_registry)
    assert put(session, fake_registry, SMALL, "missing/project") is Outcome.SENT
    assert_stored(fake_registry)


@pytest.mark.parametrize("form", ["path", "absolute", "relative"])
def test_locations_of_all_forms(session: Session, fake_registry: FakeRegistry, form: str) -> None:
    fake_registry.settings.location = form  # type: ignore[assignment]
    fake_registry.settings.opaque_query = "_state={state}&sig=a%2Bb%3D%3d|x"
    assert put(session, fake_registry) is Outcome.SENT
    assert_stored(fake_registry)


def test_a_location_without_a_query(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.settings.opaque_query = ""
    assert put(session, fake_registry) is Outcome.SENT
    assert fake_registry.requests("PUT", SESSIONS)[0].query.startswith("digest=")


def test_a_location_on_another_host_gets_no_credentials(new_session: OpenSession, fake_registry: FakeRegistry, running: Run) -> None:  # fmt: skip
    storage = running(FakeRegistry(contents=fake_registry.contents))
    fake_registry.quirk("POST", UPLOADS).location(absolute(storage.url))
    ecr(fake_registry, ["team/app"], USER, PASSWORD)
    session = new_session(credentials=KNOWN)
    assert put(session, fake_registry) is Outcome.SENT
    assert storage.count("PUT") == 1
    assert not storage.saw_header("Authorization")


def test_a_location_in_a_private_place_is_not_gone_to(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("POST", UPLOADS).location(absolute("http://169.254.169.254"))
    with pytest.raises(RegistryError, match=r"the upload Location .* is not followed"):
        put(session, fake_registry)


def test_relative_to_the_request(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("POST", UPLOADS).location(last_segment)
    assert put(session, fake_registry) is Outcome.SENT


def test_a_session_without_a_location_is_an_error(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("POST", UPLOADS).without_header("Location")
    with pytest.raises(RegistryError):
        put(session, fake_registry)


def test_a_digest_that_is_not_ours_is_noticed(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("PUT", SESSIONS).content_digest(blob_of(1).digest)
    with pytest.raises(IntegrityError, match="the registry stored"):
        put(session, fake_registry)


def test_a_mount_spares_the_upload(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.add_blob("team/base", SMALL.data)
    assert put(session, fake_registry, SMALL, "team/app", "team/base") is Outcome.MOUNTED
    assert methods(fake_registry) == ["HEAD", "POST"]
    assert session.advanced(SMALL.descriptor) == 0


def test_a_blob_that_was_just_sent_is_mounted_into_the_next_repository(
    session: Session, fake_registry: FakeRegistry
) -> None:
    put(session, fake_registry)
    other = session.repository(fake_registry.host, "team/other")
    assert other.put_blob(SMALL.source()) is Outcome.MOUNTED


def test_only_repositories_of_the_same_registry_are_mounted_from(session: Session, fake_registry: FakeRegistry) -> None:
    source = SMALL.source(parse_reference("ghcr.io/team/base"))
    assert session.repository(fake_registry.host).put_blob(source) is Outcome.SENT
    assert fake_registry.count("POST", where=has_query("mount")) == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429, 500, 503])
def test_a_mount_that_fails_is_an_upload(session: Session, fake_registry: FakeRegistry, status: int) -> None:
    fake_registry.add_blob("team/base", SMALL.data)
    fake_registry.on("POST", UPLOADS, where=has_query("mount")).respond(status)
    assert put(session, fake_registry, SMALL, "team/base") is Outcome.SENT
    assert fake_registry.count("POST", where=has_query("mount")) == 1
    assert fake_registry.count("POST", where=lambda request: not request.values("mount")) == 1
    assert session.waits == []


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("read", [0, 3 * MIB])
def test_a_reset_is_followed_by_a_new_session(
    session: Session, fake_registry: FakeRegistry, times: int, read: int
) -> None:
    fake_registry.on("PUT", SESSIONS, times=times).reset_after(read)
    assert put(session, fake_registry, LARGE) is Outcome.SENT
    puts = [record.path for record in fake_registry.requests("PUT", SESSIONS)]
    assert len(set(puts)) == len(puts) == times + 1
    assert fake_registry.count("HEAD", BLOBS) == times + 1
    assert_stored(fake_registry, LARGE)
    assert session.advanced(LARGE.descriptor) == len(LARGE.data)
    assert len(session.waits) == times


def test_a_line_that_never_lasts_for_the_whole_blob_gets_chunks(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT|PATCH", SESSIONS, times=None, where=body_over(5 * MIB)).reset_after(5 * MIB)  # type: ignore[arg-type]
    assert put(session, fake_registry, LARGE) is Outcome.SENT
    assert_stored(fake_registry, LARGE)
    fake_registry.forget()
    put(session, fake_registry, blob_of(4 * MIB, 1))
    assert "PATCH" not in methods(fake_registry), "a bad line says nothing about the registry"


def test_a_reply_that_is_lost_after_the_blob_was_stored(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS).hang_up()
    assert put(session, fake_registry) is Outcome.SENT
    assert fake_registry.count("PUT", SESSIONS) == 1
    assert session.advanced(SMALL.descriptor) == len(SMALL.data)


@pytest.mark.parametrize("code", ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"])
def test_a_lost_session_is_begun_again(session: Session, fake_registry: FakeRegistry, code: str) -> None:
    fake_registry.on("PUT", SESSIONS, times=2).reply(error(404, code))
    assert put(session, fake_registry) is Outcome.SENT
    assert fake_registry.count("POST", UPLOADS) == 3
    assert fake_registry.count("PATCH") == 0


@pytest.mark.parametrize(
    ("method", "path"), [("HEAD", BLOBS), ("POST", UPLOADS), ("PUT", SESSIONS)], ids=["HEAD", "POST", "PUT"]
)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_trouble_at_any_step(
    session: Session, fake_registry: FakeRegistry, method: str, path: str, status: int
) -> None:
    fake_registry.on(method, path, times=2).respond(status)
    assert put(session, fake_registry) is Outcome.SENT
    assert len(session.waits) == 2


@pytest.mark.parametrize("reply", [GHCR_THROTTLED, GHCR_SECONDARY_LIMIT], ids=["429", "403"])
def test_ghcr_throttles_in_its_own_words(session: Session, fake_registry: FakeRegistry, reply: object) -> None:
    fake_registry.on("POST", UPLOADS, times=2).reply(reply)  # type: ignore[arg-type]
    assert put(session, fake_registry) is Outcome.SENT
    assert len(session.waits) == 2
    assert min(session.waits) >= 1


def test_throttling_lowers_the_number_of_uploads_at_once(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("POST", UPLOADS).retry_after(1).respond(429)
    put(session, fake_registry)
    assert session.registries.host(fake_registry.host).limiter.limit == 2


def test_a_slow_commit_leads_to_another_form(new_session: OpenSession, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS).respond(504)
    session = new_session()
    assert put(session, fake_registry) is Outcome.SENT
    assert fake_registry.count("PATCH", SESSIONS) == 1


def test_a_refusal_of_permission_is_not_repeated(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("POST", UPLOADS, times=None).reply(error(403, "DENIED"))
    with pytest.raises(Exception, match="status 403"):
        put(session, fake_registry)
    assert fake_registry.count("POST", UPLOADS) == 1


def test_a_wrong_digest_of_ours_is_not_repeated(session: Session, fake_registry: FakeRegistry) -> None:
    source = BlobSource(SMALL.descriptor, lambda: iter((b"x" * 5000,)))
    with pytest.raises(RegistryError, match="did not match"):
        session.repository(fake_registry.host).put_blob(source)
    assert fake_registry.count("PUT") == 1


@pytest.mark.parametrize("data", [b"x" * 4999, b"x" * 5001, b""])
def test_a_source_of_another_size_is_an_error_of_ours(
    session: Session, fake_registry: FakeRegistry, data: bytes
) -> None:
    source = BlobSource(SMALL.descriptor, lambda: iter((data,)))
    with pytest.raises(IntegrityError, match="5000 bytes"):
        session.repository(fake_registry.host).put_blob(source)
    fake_registry.settle()
    assert fake_registry.open_sessions == 0


def test_a_source_that_fails_ends_the_session(session: Session, fake_registry: FakeRegistry) -> None:
    def vanish() -> Iterator[bytes]:
        yield b"x" * 100
        raise FileNotFoundError("layer.tar")

    with pytest.raises(FileNotFoundError):
        session.repository(fake_registry.host).put_blob(BlobSource(SMALL.descriptor, vanish))
    fake_registry.settle()
    assert fake_registry.open_sessions == 0
    assert put(session, fake_registry) is Outcome.SENT, "a failure is not remembered"


def test_a_stopped_session_sends_no_more_and_tells_the_registry(
    new_session: OpenSession, fake_registry: FakeRegistry
) -> None:
    stop = threading.Event()
    session = new_session(stop=stop)

    def chunks() -> Iterator[bytes]:
        for chunk in LARGE.open():
            yield chunk
            stop.set()

    with pytest.raises(NetworkError, match="stopped"):
        session.repository(fake_registry.host).put_blob(BlobSource(LARGE.descriptor, chunks))
    fake_registry.settle()
    assert fake_registry.open_sessions == 0


def test_one_blob_is_sent_once_however_many_ask(session: Session, fake_registry: FakeRegistry) -> None:
    repository = session.repository(fake_registry.host)
    held = threading.Event()
    fake_registry.on("PUT", SESSIONS).delay(held)
    with ThreadPoolExecutor(8) as pool:
        outcomes = [pool.submit(repository.put_blob, SMALL.source()) for _ in range(8)]
        fake_registry.wait_for(1, "PUT", SESSIONS)
        held.set()
    assert sorted(future.result() for future in outcomes) == [Outcome.EXISTS] * 7 + [Outcome.SENT]
    assert methods(fake_registry) == ["HEAD", "POST", "PUT"]


def test_an_early_refusal_is_heard_while_the_body_is_being_sent(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS).early_reply(503, {"Retry-After": "7"}, after=1000, ending=Ending.CLOSE)
    assert put(session, fake_registry, LARGE) is Outcome.SENT
    assert session.waits == [pytest.approx(7, abs=0.1)]


def test_a_redirected_upload_starts_its_body_again(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS).redirect(lambda request: request.target)
    assert put(session, fake_registry) is Outcome.SENT
    assert session.advanced(SMALL.descriptor) == len(SMALL.data)


def test_a_redirect_that_would_turn_the_upload_into_a_download(session: Session, fake_registry: FakeRegistry, recorder: Recorder) -> None:  # fmt: skip
    fake_registry.on("PUT", SESSIONS, times=None).redirect(recorder.url, status=302)
    with pytest.raises(RegistryError, match="status 302"):
        put(session, fake_registry)
    recorder.assert_untouched()
