"""The acceptance cases about pushing, by their numbers in the catalogue: over sockets, against the scripted registry and docker-registry."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ocibuild.errors import OcibuildError, RegistryError
from ocibuild.oci.blobs import Outcome
from ocibuild.oci.reference import parse_reference
from ocibuild.registry.settings import MIB
from tests.fake_registry import (
    MANIFESTS,
    SESSIONS,
    UPLOADS,
    BearerAuth,
    FakeRegistry,
    TokenService,
    absolute,
    error,
    has_query,
)
from tests.peers.docker_registry import DockerRegistry
from tests.registry.conftest import OpenSession
from tests.registry.support import KNOWN, PASSWORD, USER, Session, blob_of, push
from tests.registry.test_acceptance_security import assert_no_secrets


@pytest.fixture
def known(new_session: OpenSession) -> Session:
    return new_session(credentials=KNOWN)


def bearer(fake: FakeRegistry, **facts: object) -> TokenService:
    tokens = TokenService(users={USER: PASSWORD}, **facts)  # type: ignore[arg-type]
    fake.auth = BearerAuth(tokens, scope="repository:user/image:pull")
    return tokens


@pytest.mark.peer("docker-registry")
def test_09_a_second_push_sends_nothing_and_a_third_what_changed(
    new_session: OpenSession, docker_registry: DockerRegistry
) -> None:
    layers = [blob_of(2 * MIB, seed) for seed in range(3)]
    sent: list[list[str]] = []
    for wanted in (layers, layers, [*layers[:2], blob_of(2 * MIB, 9)]):
        session = new_session()
        push(session.repository(docker_registry.host, "acceptance/nine"), wanted, "1")
        sent.append([line for line in session.lines if line.startswith(("PUT", "PATCH", "POST"))])
    assert [len([line for line in lines if "/uploads/" in line and line.startswith("PUT")]) for lines in sent] == [
        4,
        0,
        1,
    ]
    assert sent[1] == []


def test_10_a_blob_that_fails_means_no_manifest(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS, skip=1, times=None).reply(error(403, "DENIED"))
    with pytest.raises(OcibuildError) as caught:
        push(session.repository(fake_registry.host), [blob_of(10, seed) for seed in range(3)], "1")
    assert caught.value.exit_code == 5
    assert fake_registry.count("PUT", MANIFESTS) == 0


@pytest.mark.parametrize("form", ["relative", "absolute with a port"])
def test_11_a_location_keeps_its_query(session: Session, fake_registry: FakeRegistry, form: str) -> None:
    fake_registry.settings.opaque_query = "_state={state}&x=a%2Fb%3d&y=%7B%7D+%20"
    fake_registry.settings.location = "relative" if form == "relative" else "absolute"
    assert session.repository(fake_registry.host).put_blob(blob_of(100).source()) is Outcome.SENT
    (put,) = fake_registry.requests("PUT", SESSIONS)
    assert "&x=a%2Fb%3d&y=%7B%7D+%20&digest=sha256" in put.query
    assert put.query.count("digest=") == 1


@pytest.mark.parametrize(
    ("status", "outcome", "plain_posts"), [(201, Outcome.MOUNTED, 0), (202, Outcome.SENT, 0), (401, Outcome.SENT, 1)]
)
def test_12_a_mount_is_used_continued_or_replaced(
    known: Session, fake_registry: FakeRegistry, status: int, outcome: Outcome, plain_posts: int
) -> None:
    tokens = bearer(fake_registry)
    blob = blob_of(1000)
    fake_registry.add_blob("team/base", blob.data)
    if status == 202:
        fake_registry.settings.mount = "off"
    if status == 401:
        fake_registry.quirk("POST", UPLOADS, where=has_query("mount")).reply(error(401, "UNAUTHORIZED"))
    source = blob.source(parse_reference(f"{fake_registry.host}/team/base"))
    assert known.repository(fake_registry.host).put_blob(source) is outcome
    assert fake_registry.count("POST", UPLOADS, where=lambda request: not request.values("mount")) == plain_posts
    asked = [token.scopes for token in tokens.asked]
    assert asked[0] == ("repository:team/app:pull,push",)
    assert set(asked[1:]) == {("repository:team/app:pull,push", "repository:team/base:pull")}
    assert_no_secrets(known, tokens)


def test_13_one_token_for_the_real_repository_serves_20_blobs(known: Session, fake_registry: FakeRegistry) -> None:
    tokens = bearer(fake_registry)
    repository = known.repository(fake_registry.host)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda seed: repository.put_blob(blob_of(1000, seed).source()), range(20)))
    assert outcomes == [Outcome.SENT] * 20
    assert [token.scopes for token in tokens.asked] == [("repository:team/app:pull,push",)]
    assert_no_secrets(known, tokens)


def test_14_a_token_that_dies_before_the_body_is_renewed_and_the_body_sent_again(
    known: Session, fake_registry: FakeRegistry
) -> None:
    tokens = bearer(fake_registry)
    fake_registry.on("POST", UPLOADS).call(tokens.expire_tokens)
    blob = blob_of(50 * MIB)
    assert known.repository(fake_registry.host).put_blob(blob.source()) is Outcome.SENT
    assert len(tokens.asked) == 2
    puts = fake_registry.requests("PUT", SESSIONS)
    assert [put.status for put in puts] == [401, 201]
    assert puts[1].body_digest == blob.digest
    assert known.advanced(blob.descriptor) == 50 * MIB
    assert_no_secrets(known, tokens)


def in_seconds(seconds: int) -> str:
    return str(seconds)


def as_date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds + 1), usegmt=True)


@pytest.mark.parametrize("spell", [in_seconds, as_date])
@pytest.mark.parametrize(("method", "path"), [("POST", UPLOADS), ("PUT", SESSIONS), ("PUT", MANIFESTS)])
def test_15_throttling_is_waited_for(
    session: Session, fake_registry: FakeRegistry, method: str, path: str, spell: Callable[[int], str]
) -> None:
    fake_registry.on(method, path).respond(429, {"Retry-After": spell(2)})
    push(session.repository(fake_registry.host), [blob_of(1000)], "1")
    assert len(session.waits) == 1
    assert 2 <= session.waits[0] <= 5


def test_15_throttling_for_ever_ends(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("POST", UPLOADS, times=None).respond(429, {"Retry-After": "2"})
    with pytest.raises(RegistryError, match="after 6 attempts") as caught:
        push(session.repository(fake_registry.host), [blob_of(1000)], "1")
    assert caught.value.exit_code == 4
    assert fake_registry.count("POST", UPLOADS) == 6


def test_15_throttling_for_hours_is_not_waited_for(session: Session, fake_registry: FakeRegistry) -> None:
    fake_registry.on("POST", UPLOADS, times=None).respond(429, {"Retry-After": "7200"})
    with pytest.raises(RegistryError, match="7200 s"):
        push(session.repository(fake_registry.host), [blob_of(1000)], "1")
    assert session.waits == []


def test_16_two_resets_in_mid_body_lead_to_new_sessions(session: Session, fake_registry: FakeRegistry) -> None:
    blob = blob_of(50 * MIB)
    fake_registry.on("PUT", SESSIONS, times=2).reset_after(30 * MIB)
    assert session.repository(fake_registry.host).put_blob(blob.source()) is Outcome.SENT
    puts = fake_registry.requests("PUT", SESSIONS)
    assert len({put.path for put in puts}) == len(puts) == 3
    assert fake_registry.count("PATCH") == 0
    assert fake_registry.blob("team/app", blob.digest) == blob.data
    assert session.advanced(blob.descriptor) == 50 * MIB


def test_16_the_same_behind_another_port(session: Session, fake_registry: FakeRegistry) -> None:
    """What an absolute Location names is reset: the next session is asked for at the registry again."""
    with FakeRegistry(contents=fake_registry.contents) as storage:
        fake_registry.quirk("POST", UPLOADS).location(absolute(storage.url))
        storage.on("PUT", SESSIONS, times=2).reset_after(MIB)
        blob = blob_of(3 * MIB)
        assert session.repository(fake_registry.host).put_blob(blob.source()) is Outcome.SENT
        assert fake_registry.count("POST", UPLOADS) == 3
