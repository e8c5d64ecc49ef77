"""A login is tried at the registry; `probes` tell what it is good for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ocibuild.errors import AuthError, NetworkError, UsageError
from ocibuild.oci.reference import parse_reference
from ocibuild.registry.login import parse_registry, verify_login
from ocibuild.registry.probes import Probe, examine
from ocibuild.registry.secret import IdentityToken, Login, Secret
from ocibuild.registry.settings import Settings
from tests.fake_registry import BASE, UPLOADS, BasicAuth, BearerAuth, FakeRegistry, TokenService, error, image_of
from tests.fake_registry.profiles import ghcr
from tests.peers.docker_registry import DockerRegistry
from tests.registry.conftest import OpenSession
from tests.registry.support import KNOWN, PASSWORD, USER, Session

RIGHT, WRONG = Login(USER, Secret(PASSWORD)), Login(USER, Secret("wrong"))


def settings() -> Settings:
    return Settings(sleep=lambda _: None)


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_right_password_is_confirmed_and_a_wrong_one_is_not(fake_registry: FakeRegistry, scheme: str) -> None:
    tokens = TokenService(users={USER: PASSWORD})
    fake_registry.auth = BasicAuth(USER, PASSWORD) if scheme == "basic" else BearerAuth(tokens)
    assert verify_login(fake_registry.host, RIGHT, settings())
    with pytest.raises(AuthError) as caught:
        verify_login(fake_registry.host, WRONG, settings())
    assert "wrong" not in f"{caught.value.what} {caught.value.where} {caught.value.hint}"


def test_no_scope_is_asked_for(fake_registry: FakeRegistry) -> None:
    tokens = TokenService(users={USER: PASSWORD})
    fake_registry.auth = BearerAuth(tokens)
    verify_login(fake_registry.host, RIGHT, settings())
    assert [asked.scopes for asked in tokens.asked] == [()]


def test_an_identity_token_can_be_tried(fake_registry: FakeRegistry) -> None:
    fake_registry.auth = BearerAuth(TokenService(refresh_tokens={"refresh": USER}))
    assert verify_login(fake_registry.host, IdentityToken(Secret("refresh")), settings())


def test_a_registry_that_asks_nobody_confirms_nothing(fake_registry: FakeRegistry) -> None:
    assert not verify_login(fake_registry.host, WRONG, settings())


def test_no_registry_no_login() -> None:
    with pytest.raises(NetworkError):
        verify_login("127.0.0.1:1", RIGHT, settings())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ghcr.io", "ghcr.io"), ("https://ghcr.io", "ghcr.io"), ("https://ghcr.io/v2/", "ghcr.io"), ("docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"), ("registry-1.docker.io", "docker.io"), ("localhost:5000", "localhost:5000"),
        ("http://127.0.0.1:5000/", "127.0.0.1:5000"),
    ],
)  # fmt: skip
def test_names_of_registries(text: str, name: str) -> None:
    assert parse_registry(text) == name


@pytest.mark.parametrize("text", ["", "ghcr.io/octocat", "ghcr", "a b", "https://"])
def test_what_is_no_registry(text: str) -> None:
    with pytest.raises(UsageError):
        parse_registry(text)


def probe(session: Session, host: str) -> dict[str, Probe]:
    return {probe.name: probe for probe in examine(session.registries, parse_reference(f"{host}/team/app"))}


def test_everything_works(fake_registry: FakeRegistry, session: Session) -> None:
    fake_registry.add_image("team/app", image_of(), "1")
    probes = probe(session, fake_registry.host)
    assert {name: probe.works for name, probe in probes.items()} == {
        "contact": True, "credentials": True, "pull": True, "push": True,
        "mount": True, "referrers": True, "delete": True, "clock": None,
    }  # fmt: skip
    fake_registry.settle()
    assert fake_registry.open_sessions == 0
    assert fake_registry.tags("team/app") == {"1": image_of().digest}


def test_a_new_repository_at_ghcr(fake_registry: FakeRegistry, new_session: OpenSession) -> None:
    ghcr(fake_registry, USER, PASSWORD)
    probes = probe(new_session(credentials=KNOWN), fake_registry.host)
    assert (probes["contact"].works, probes["push"].works, probes["mount"].works) == (True, True, None)
    assert (probes["referrers"].works, probes["delete"].works) == (False, False)
    assert "bearer" in probes["contact"].detail
    assert probes["credentials"].detail == "the command line"


def test_a_refused_push_comes_with_its_hint(fake_registry: FakeRegistry, session: Session) -> None:
    refusal = error(403, {"code": "DENIED", "message": "permission_denied: write_package", "detail": None})
    fake_registry.on("POST", UPLOADS, times=None).reply(refusal)
    push = probe(session, fake_registry.host)["push"]
    assert push.works is False
    assert "Manage Actions access" in str(push.hint)


def test_no_contact_ends_it(session: Session) -> None:
    (contact,) = probe(session, "127.0.0.1:1").values()
    assert contact.works is False


@pytest.mark.parametrize(
    ("ahead", "works"), [(timedelta(0), True), (timedelta(hours=1), False), (timedelta(hours=-1), False)]
)
def test_the_clock(fake_registry: FakeRegistry, session: Session, ahead: timedelta, works: bool) -> None:
    fake_registry.quirk("GET", BASE).header("Date", format_datetime(datetime.now(UTC) - ahead, usegmt=True))
    assert probe(session, fake_registry.host)["clock"].works is works


@pytest.mark.peer("docker-registry")
def test_docker_registry(docker_registry: DockerRegistry, session: Session) -> None:
    probes = probe(session, docker_registry.host)
    works = {name: probe.works for name, probe in probes.items()}
    assert works == {
        "contact": True, "credentials": True, "pull": True, "push": True,
        "mount": None, "referrers": False, "delete": True, "clock": True,
    }  # fmt: skip
