"""Authorization: Basic, the Bearer challenge, and what tokens are good for."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode

import pytest

from . import (
    SESSIONS,
    TOKEN,
    UPLOADS,
    BasicAuth,
    BearerAuth,
    FakeRegistry,
    Scope,
    TokenServer,
    TokenService,
    digest_of,
)
from .fixtures import Run
from .raw_client import Answer, Client, with_digest

BLOB = f"/v2/app/blobs/{digest_of(b'x')}"
START = "/v2/app/blobs/uploads/"
PULL, PUSH = "repository:app:pull", "repository:app:pull,push"
ALICE = {"alice": "s3cret:with colon"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


ALICE_BASIC = basic("alice", ALICE["alice"])


def bearer(answer: Answer) -> dict[str, str]:
    return {"Authorization": f"Bearer {json.loads(answer.body)['token']}"}


def with_tokens(running: Run, tokens: TokenService, **challenge: object) -> FakeRegistry:
    auth = BearerAuth(tokens)
    for name, value in challenge.items():
        setattr(auth, name, value)
    registry = running(FakeRegistry(auth=auth))
    registry.add_blob("app", b"x")
    return registry


def test_basic(running: Run) -> None:
    registry = running(FakeRegistry(auth=BasicAuth("alice", ALICE["alice"])))
    with Client(registry) as client:
        refused = client.call("GET", "/v2/")
        assert (refused.status, refused["WWW-Authenticate"]) == (401, 'Basic realm="fake"')
        assert client.call("GET", "/v2/", headers=basic("alice", "wrong")).status == 401
        assert client.call("GET", "/v2/", headers=ALICE_BASIC).status == 200


def test_the_challenge_names_realm_service_and_scope(running: Run) -> None:
    registry = with_tokens(running, TokenService())
    with Client(registry) as client:
        ping, push = client.call("GET", "/v2/"), client.call("POST", f"{START}?mount=x&from=base", b"")
    assert ping["WWW-Authenticate"] == f'Bearer realm="{registry.url}/token",service="registry.test"'
    assert (push["WWW-Authenticate"] or "").endswith(f'scope="{PUSH} repository:base:pull"')


def test_a_token_opens_what_it_was_asked_for(running: Run) -> None:
    tokens = TokenService(users=ALICE)
    registry = with_tokens(running, tokens)
    with Client(registry) as client:
        anonymous = bearer(client.call("GET", f"{TOKEN}?scope={PUSH}"))
        assert client.call("HEAD", BLOB, headers=anonymous).status == 200
        short = client.call("POST", START, b"", anonymous)
        assert (short.status, 'error="insufficient_scope"' in (short["WWW-Authenticate"] or "")) == (401, True)
        alice = bearer(
            client.call("GET", f"{TOKEN}?service=s&client_id=c&scope={PUSH}&scope={PULL}", headers=ALICE_BASIC)
        )
        assert client.call("POST", START, b"", alice).status == 202
        assert client.call("DELETE", BLOB, headers=alice).status == 401
        assert client.call("GET", TOKEN, headers=basic("alice", "wrong")).status == 401
    assert [(asked.account, asked.scopes, asked.status) for asked in tokens.asked] == [
        (None, (PUSH,), 200),
        ("alice", (PUSH, PULL), 200),
        ("alice", (), 401),
    ]
    assert (tokens.asked[1].service, tokens.asked[1].client_id, registry.count("GET", TOKEN)) == ("s", "c", 3)


def test_all_tokens_expire_at_once_between_post_and_put(running: Run) -> None:
    tokens = TokenService(users=ALICE)
    registry = with_tokens(running, tokens)
    registry.on("POST", UPLOADS).call(tokens.expire_tokens)
    with Client(registry) as client:
        token = bearer(client.call("GET", f"{TOKEN}?scope={PUSH}", headers=ALICE_BASIC))
        location = client.follow(client.call("POST", START, b"", token), START)
        dead = client.call("PUT", with_digest(location, digest_of(b"y")), b"y", token)
        assert (dead.status, 'error="invalid_token"' in (dead["WWW-Authenticate"] or "")) == (401, True)
        fresh = bearer(client.call("GET", f"{TOKEN}?scope={PUSH}", headers=ALICE_BASIC))
        assert client.call("PUT", with_digest(location, digest_of(b"y")), b"y", fresh).status == 201
    assert [record.status for record in registry.requests("PUT", SESSIONS)] == [401, 201]


def test_tokens_end_after_uses_and_after_time(running: Run) -> None:
    now = [100.0]
    tokens = TokenService(uses=2, lifetime=60, clock=lambda: now[0])
    registry = with_tokens(running, tokens)
    with Client(registry) as client:
        first = bearer(client.call("GET", f"{TOKEN}?scope={PULL}"))
        assert [client.call("HEAD", BLOB, headers=first).status for _ in range(3)] == [200, 200, 401]
        second = bearer(client.call("GET", f"{TOKEN}?scope={PULL}"))
        now[0] += 60
        assert client.call("HEAD", BLOB, headers=second).status == 401


@pytest.mark.parametrize("status", [404, 405, 400, 401])
def test_post_can_be_switched_off(running: Run, status: int) -> None:
    registry = with_tokens(running, TokenService(post_status=status))
    with Client(registry) as client:
        assert client.call("POST", TOKEN, b"grant_type=password").status == status


def test_oauth2_grants(running: Run) -> None:
    tokens = TokenService(users=ALICE, key="both")
    registry = with_tokens(running, tokens)

    def post(client: Client, **form: str) -> Answer:
        return client.call("POST", TOKEN, urlencode(form).encode())

    with Client(registry) as client:
        by_password = post(
            client,
            grant_type="password",
            username="alice",
            password=ALICE["alice"],
            access_type="offline",
            scope=f"{PUSH} repository:base:pull",
        )
        reply = json.loads(by_password.body)
        assert reply["token"] == reply["access_token"]
        refreshed = post(client, grant_type="refresh_token", refresh_token=reply["refresh_token"], scope=PUSH)
        assert client.call("POST", START, b"", bearer(refreshed)).status == 202
        assert post(client, grant_type="refresh_token", refresh_token="made up").status == 400
    assert tokens.asked[0].scopes == (PUSH, "repository:base:pull")
    assert [asked.grant_type for asked in tokens.asked] == ["password", "refresh_token", "refresh_token"]
    assert set(tokens.issued) >= {reply["token"], reply["refresh_token"]}


def test_a_token_for_the_first_scope_only(running: Run) -> None:
    registry = with_tokens(running, TokenService(users=ALICE, first_scope_only=True))
    with Client(registry) as client:
        token = bearer(client.call("GET", f"{TOKEN}?scope={PUSH}&scope=repository:base:pull", headers=ALICE_BASIC))
        assert client.call("POST", f"{START}?mount={digest_of(b'x')}&from=base", b"", token).status == 401
        assert client.call("POST", START, b"", token).status == 202


def test_a_grant_of_ones_own_making(running: Run) -> None:
    def nobody_pushes(account: str | None, scope: Scope) -> frozenset[str]:
        return scope.actions - {"push"}

    tokens = TokenService(users=ALICE, grant=nobody_pushes)
    registry = with_tokens(running, tokens)
    with Client(registry) as client:
        token = bearer(client.call("GET", f"{TOKEN}?scope={PUSH}", headers=ALICE_BASIC))
        assert client.call("POST", START, b"", token).status == 401
        tokens.deny_partial_grants = True
        assert client.call("GET", f"{TOKEN}?scope={PUSH}", headers=ALICE_BASIC).status == 403


def test_the_shape_of_the_challenge(running: Run) -> None:
    shape = {
        "realm": "/token",
        "service": None,
        "scope": "repository:user/image:pull",
        "before": ("Negotiate", 'Basic realm="a, \\"b\\""'),
        "after": ("NTLM",),
    }
    registry = with_tokens(running, TokenService(), **shape)
    bearer_challenge = 'Bearer realm="/token",scope="repository:user/image:pull"'
    challenges = ["Negotiate", 'Basic realm="a, \\"b\\""', bearer_challenge, "NTLM"]
    assert isinstance(registry.auth, BearerAuth)
    with Client(registry) as client:
        assert client.call("GET", "/v2/").headers.all("WWW-Authenticate") == challenges
        registry.auth.merged = True
        assert client.call("GET", "/v2/").headers.all("WWW-Authenticate") == [", ".join(challenges)]


def test_a_token_server_on_another_origin(running: Run) -> None:
    tokens = TokenService()
    server = running(TokenServer(tokens, host="127.0.0.2"))
    registry = with_tokens(running, tokens, realm=server.realm)
    with Client(registry) as client, Client(server) as issuer:
        assert f'realm="{server.url}/token"' in (client.call("GET", "/v2/")["WWW-Authenticate"] or "")
        token = bearer(issuer.call("GET", f"{TOKEN}?scope={PULL}"))
        assert client.call("GET", BLOB, headers=token).body == b"x"
    assert server.count("GET", TOKEN) == 1


def test_refused_requests_leave_rules_alone_unless_they_ask_for_them(running: Run) -> None:
    registry = with_tokens(running, TokenService())
    rule = registry.on("GET|HEAD", BLOB).respond(500)
    with Client(registry) as client:
        assert client.call("HEAD", BLOB).status == 401
        token = bearer(client.call("GET", f"{TOKEN}?scope={PULL}"))
        assert rule.hits == 0
        registry.on("HEAD", BLOB, before_auth=True).respond(429)
        assert [client.call("HEAD", BLOB).status, client.call("HEAD", BLOB, headers=token).status] == [429, 500]
