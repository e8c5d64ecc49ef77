"""Challenges answered, tokens fetched once, renewed once, and shown to nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ocibuild.errors import AuthError, RegistryError
from ocibuild.events import Event
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.registry.auth import Authorizer, access_to
from ocibuild.registry.credentials import FindCredential
from ocibuild.registry.exchange import Reply, Request
from ocibuild.registry.origin import Origin, OriginPolicy
from ocibuild.registry.secret import Credential, Found, IdentityToken, RegistryToken, Secret
from tests.fake_registry import (
    BASE,
    BLOBS,
    TOKEN,
    BasicAuth,
    BearerAuth,
    FakeRegistry,
    Recorder,
    TokenServer,
    TokenService,
    image_of,
)
from tests.fake_registry.fixtures import Run
from tests.fake_registry.profiles import ghcr, gitlab
from tests.registry.conftest import OpenSession
from tests.registry.support import KNOWN, NOBODY, PASSWORD, USER, Session, blob_of, push
from tests.registry.test_refusal import StoredReply

LAYERS = [blob_of(2000, seed) for seed in range(3)]


def bearer(fake: FakeRegistry, **facts: object) -> TokenService:
    tokens = TokenService(users={USER: PASSWORD}, **facts)  # type: ignore[arg-type]
    fake.auth = BearerAuth(tokens)
    return tokens


def holding(credential: Credential) -> Found:
    return Found(credential, "the test")


@pytest.fixture
def known(new_session: OpenSession) -> Session:
    """A session of a user that the registries here know."""
    return new_session(credentials=KNOWN)


def test_basic(fake_registry: FakeRegistry, known: Session) -> None:
    fake_registry.auth = BasicAuth(USER, PASSWORD)
    push(known.repository(fake_registry.host), LAYERS, "1")
    assert fake_registry.count(status=401) == 1  # the first contact, and no request after it


def test_basic_with_a_wrong_password_is_tried_once(fake_registry: FakeRegistry, known: Session) -> None:
    fake_registry.auth = BasicAuth(USER, "another")
    with pytest.raises(AuthError, match="status 401") as caught:
        known.repository(fake_registry.host).resolve("1")
    assert "ocibuild login" in str(caught.value.hint)
    assert fake_registry.count() <= 2


def test_nobody_at_a_registry_with_basic(fake_registry: FakeRegistry, session: Session) -> None:
    fake_registry.auth = BasicAuth(USER, PASSWORD)
    with pytest.raises(AuthError, match="asks for a user name and a password"):
        session.repository(fake_registry.host).resolve("1")
    assert not fake_registry.saw_header("Authorization")


def test_pushing_takes_one_token_and_pulling_another(fake_registry: FakeRegistry, known: Session) -> None:
    tokens = bearer(fake_registry)
    repository = known.repository(fake_registry.host)
    push(repository, LAYERS, "1")
    for layer in LAYERS:
        b"".join(repository.open_blob(layer.descriptor))
    assert [asked.scopes for asked in tokens.asked] == [
        ("repository:team/app:pull,push",),
        ("repository:team/app:pull",),
    ]
    assert {asked.service for asked in tokens.asked} == {"registry.test"}


def test_many_threads_share_one_token_request(fake_registry: FakeRegistry, known: Session) -> None:
    tokens = bearer(fake_registry)
    repository = known.repository(fake_registry.host)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: repository.put_blob(blob_of(1000, seed).source()), range(20)))
    assert len(tokens.asked) == 1
    assert fake_registry.count("GET", BASE) == 1


def test_anonymous_pull(fake_registry: FakeRegistry, session: Session) -> None:
    tokens = bearer(fake_registry)
    digest = fake_registry.add_image("team/app", image_of(), "1")
    assert str(session.repository(fake_registry.host).resolve("1").digest) == digest
    assert [(asked.account, asked.scopes) for asked in tokens.asked] == [(None, ("repository:team/app:pull",))]


def test_anonymous_push_says_to_log_in(fake_registry: FakeRegistry, session: Session) -> None:
    bearer(fake_registry)
    with pytest.raises(AuthError) as caught:
        session.repository(fake_registry.host).put_blob(LAYERS[0].source())
    assert "ocibuild login" in str(caught.value.hint)


def test_anonymous_push_to_ghcr_is_refused_by_its_token_server(fake_registry: FakeRegistry, session: Session) -> None:
    ghcr(fake_registry)
    with pytest.raises(AuthError, match="status 403") as caught:
        session.repository(fake_registry.host).put_blob(LAYERS[0].source())
    assert "ocibuild login" in str(caught.value.hint)
    assert session.waits == []


def test_a_token_that_lacks_what_was_asked_for_is_not_asked_for_again(
    fake_registry: FakeRegistry, known: Session
) -> None:
    tokens = bearer(fake_registry, grant=lambda account, scope: scope.actions & {"pull"})
    with pytest.raises(AuthError) as caught:
        known.repository(fake_registry.host).put_blob(LAYERS[0].source())
    assert "may not do this" in str(caught.value.hint)
    assert len(tokens.asked) == 1


def test_a_token_that_dies_is_renewed_once(fake_registry: FakeRegistry, known: Session) -> None:
    tokens = bearer(fake_registry)
    repository = known.repository(fake_registry.host)
    repository.put_blob(LAYERS[0].source())
    tokens.expire_tokens()
    repository.put_blob(LAYERS[1].source())
    assert len(tokens.asked) == 2


def test_tokens_that_never_work_end_in_an_error(fake_registry: FakeRegistry, known: Session) -> None:
    tokens = bearer(fake_registry, uses=0)
    with pytest.raises(AuthError):
        known.repository(fake_registry.host).put_blob(LAYERS[0].source())
    assert len(tokens.asked) == 2


def test_a_token_near_its_end_is_renewed_before_a_long_body(fake_registry: FakeRegistry, known: Session) -> None:
    """5 s are left for nothing: every request would come too late, so each one gets a token of its own."""
    tokens = bearer(fake_registry, expires_in=5)
    known.repository(fake_registry.host).put_blob(blob_of(2000).source())
    assert len(tokens.asked) == fake_registry.count(status=201) + fake_registry.count(status=202) + fake_registry.count("HEAD", BLOBS)  # fmt: skip


@pytest.mark.parametrize("key", ["token", "access_token", "both"])
def test_tokens_under_either_name_and_without_a_lifetime(fake_registry: FakeRegistry, known: Session, key: str) -> None:
    tokens = bearer(fake_registry, key=key, expires_in=None)
    push(known.repository(fake_registry.host), LAYERS, "1")
    assert len(tokens.asked) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"token": 7}', b'{"token": "a b"}', b'{"token": "a\\r\\nX: y"}', b'{"expires_in": "soon", "token": "a"}', b'{"expires_in": 1' + b"0" * 400 + b', "token": "a"}', b"[" * 70_000],
)  # fmt: skip
def test_a_token_server_that_answers_without_a_token(fake_registry: FakeRegistry, known: Session, body: bytes) -> None:
    bearer(fake_registry)
    fake_registry.on("GET", TOKEN, times=None).respond(200, body=body)
    with pytest.raises(RegistryError, match="without a token"):
        known.repository(fake_registry.host).resolve("1")


def test_a_busy_token_server_is_asked_again(fake_registry: FakeRegistry, known: Session) -> None:
    bearer(fake_registry)
    fake_registry.on("GET", TOKEN, times=2).respond(503)
    push(known.repository(fake_registry.host), LAYERS, "1")
    assert len(known.waits) == 2


def test_a_token_request_is_not_redirected(fake_registry: FakeRegistry, known: Session, recorder: Recorder) -> None:
    bearer(fake_registry)
    fake_registry.on("GET", TOKEN, times=None).redirect(f"{recorder.url}/token")
    with pytest.raises(RegistryError):
        known.repository(fake_registry.host).resolve("1")
    recorder.assert_untouched()


def test_an_identity_token_is_exchanged(fake_registry: FakeRegistry, new_session: OpenSession) -> None:
    tokens = bearer(fake_registry, refresh_tokens={"refresh": USER})
    session = new_session(credentials=lambda _: holding(IdentityToken(Secret("refresh"))))
    push(session.repository(fake_registry.host), LAYERS, "1")
    (asked,) = tokens.asked
    assert (asked.method, asked.grant_type, asked.account, asked.client_id) == (
        "POST",
        "refresh_token",
        USER,
        "ocibuild",
    )
    assert asked.scopes == ("repository:team/app:pull,push",)


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_an_identity_token_falls_back_to_get(
    fake_registry: FakeRegistry, new_session: OpenSession, status: int
) -> None:
    bearer(fake_registry, post_status=status).users["<token>"] = "refresh"
    session = new_session(credentials=lambda _: holding(IdentityToken(Secret("refresh"))))
    push(session.repository(fake_registry.host), LAYERS, "1")


def test_a_registry_token_is_shown_as_it_is(fake_registry: FakeRegistry, new_session: OpenSession) -> None:
    tokens = bearer(fake_registry)
    session = new_session(credentials=lambda _: holding(RegistryToken(Secret("opaque"))))
    with pytest.raises(AuthError):
        session.repository(fake_registry.host).resolve("1")
    assert tokens.asked == []
    assert fake_registry.saw_header("Authorization", "Bearer opaque")


@pytest.mark.parametrize("merged", [False, True])
def test_bearer_among_other_challenges(fake_registry: FakeRegistry, known: Session, merged: bool) -> None:
    tokens = bearer(fake_registry)
    challenges = {"before": ("Negotiate", 'Basic realm="a, b"'), "after": ('Digest realm="x", nonce="="',)}
    fake_registry.auth = BearerAuth(tokens, merged=merged, **challenges)  # type: ignore[arg-type]
    push(known.repository(fake_registry.host), LAYERS, "1")


@pytest.mark.parametrize(("realm", "service"), [("/token", None), ("../token", "x y&z=1"), ("/token?extra=1", "s")])
def test_realms_may_be_relative_and_services_absent(
    fake_registry: FakeRegistry, known: Session, realm: str, service: str | None
) -> None:
    tokens = bearer(fake_registry)
    fake_registry.auth = BearerAuth(tokens, realm=realm, service=service)
    push(known.repository(fake_registry.host), LAYERS, "1")
    assert {asked.service for asked in tokens.asked} == {service}


def test_the_password_goes_to_the_token_server_only(fake_registry: FakeRegistry, running: Run, known: Session) -> None:
    tokens = TokenService(users={USER: PASSWORD})
    server = running(TokenServer(tokens))
    fake_registry.auth = BearerAuth(tokens, realm=server.realm)
    push(known.repository(fake_registry.host), LAYERS, "1")
    assert not fake_registry.saw_header("Authorization", "Basic")
    assert server.saw_header("Authorization", "Basic")


def test_each_repository_has_its_own_scope(fake_registry: FakeRegistry, known: Session) -> None:
    tokens = bearer(fake_registry)
    for name in ("team/app", "team/other"):
        known.repository(fake_registry.host, name).put_blob(blob_of(100).source())
    assert {scope for asked in tokens.asked for scope in asked.scopes if "push" in scope} == {
        "repository:team/app:pull,push",
        "repository:team/other:pull,push",
    }


def test_a_source_of_credentials_is_asked_once(fake_registry: FakeRegistry, new_session: OpenSession) -> None:
    bearer(fake_registry)
    asked: list[Reference] = []

    def find(reference: Reference) -> Found:
        asked.append(reference)
        return Found(KNOWN(reference).credential, "the test", warning="somebody can read it")

    session = new_session(credentials=find)
    push(session.repository(fake_registry.host), LAYERS, "1")
    assert asked == [parse_reference(f"{fake_registry.host}/team/app")]
    assert session.warnings == ["somebody can read it"]


def test_a_mount_that_gets_no_token_for_the_source_is_an_upload(
    fake_registry: FakeRegistry, new_session: OpenSession
) -> None:
    gitlab(fake_registry, USER, PASSWORD)
    fake_registry.add_blob("team/base", LAYERS[0].data)
    session = new_session(credentials=KNOWN)
    base = parse_reference(f"{fake_registry.host}/team/base")
    assert session.repository(fake_registry.host).put_blob(LAYERS[0].source(base)) == "sent"


class OneToken:
    """A transport whose every reply is a token."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def send(self, request: Request) -> Reply:
        self.requests.append(request)
        return StoredReply(200, b'{"token":"opaque"}')

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("registry", "realm", "is_told"),
    [
        ("registry-1.docker.io", "auth.docker.io", False),
        ("ghcr.io", "ghcr.io", False),
        ("registry.example.co.uk", "auth.example.co.uk", False),
        ("registry.example.co.uk", "auth.other.co.uk", True),
        ("registry.example.com", "login.example.net", True),
        ("registry.example.com", "example.com.evil.net", True),
    ],
)
@pytest.mark.parametrize("find", [KNOWN, NOBODY], ids=["known", "anonymous"])
def test_a_token_server_under_another_domain_is_told_of_before_it_hears_a_password(
    registry: str, realm: str, is_told: bool, find: FindCredential
) -> None:
    events: list[Event] = []
    transport = OneToken()
    policy = OriginPolicy(Origin("https", registry, 443), lambda _: ["93.184.216.34"])
    authorizer = Authorizer(registry, policy, transport, find=find, emit=events.append, trace=lambda *_: None)
    authorizer.learn(f"https://{registry}/v2/", [f'Bearer realm="https://{realm}/token"'])
    access = access_to(Reference(registry, "a/b"), "pull")
    assert authorizer.authorization(access) == "Bearer opaque"
    assert authorizer.authorization(access) == "Bearer opaque"
    assert len(transport.requests) == 1
    assert [realm in str(event) for event in events] == [True] * (is_told and find is KNOWN)
