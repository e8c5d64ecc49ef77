"""login, logout and doctor, as a user has them: with files at home and a registry that asks for a password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.errors import AuthError, NetworkError, UsageError
from ocibuild.oci.reference import parse_reference
from tests.fake_registry import BasicAuth, BearerAuth, FakeRegistry, TokenService
from tests.fake_registry.auth import Auth
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import HELLO

USER, PASSWORD = "octocat", "s3cret-and-more"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, in which docker's settings would be."""
    for name in (
        "REGISTRY_AUTH_FILE",
        "DOCKER_CONFIG",
        "DOCKER_AUTH_CONFIG",
        "GITHUB_TOKEN",
        "CI_REGISTRY",
        "XDG_RUNTIME_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    return tmp_path


@pytest.fixture(params=["basic", "bearer"])
def closed_registry(request: pytest.FixtureRequest, fake_registry: FakeRegistry) -> FakeRegistry:
    auth: dict[str, Auth] = {
        "basic": BasicAuth(USER, PASSWORD),
        "bearer": BearerAuth(TokenService(users={USER: PASSWORD})),
    }
    fake_registry.auth = auth[request.param]
    return fake_registry


def settings() -> api.Settings:
    return api.Settings(sleep=lambda _: None)


def test_a_login_is_tried_then_kept_then_used(home: Path, closed_registry: FakeRegistry, new_desk: OpenDesk) -> None:
    where = api.login(closed_registry.host, USER, PASSWORD, settings())
    stored = home / ".docker/config.json"
    assert str(stored) in where
    assert stored.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(stored.read_bytes())["auths"]) == [closed_registry.host]
    desk = new_desk(credentials=api.Settings().credentials)
    desk.build(f"image: {closed_registry.host}/team/app\ntags: [v1]\n{HELLO}")
    desk.push()
    assert list(closed_registry.tags("team/app")) == ["v1"]


def test_a_wrong_password_is_not_kept(home: Path, closed_registry: FakeRegistry) -> None:
    with pytest.raises(AuthError) as caught:
        api.login(closed_registry.host, USER, "wrong-password", settings())
    assert "wrong-password" not in f"{caught.value} {caught.value.hint} {caught.value.where}"
    assert not (home / ".docker").exists()


def test_a_logout_forgets_the_login_and_nothing_else(home: Path, closed_registry: FakeRegistry) -> None:
    stored = home / ".docker/config.json"
    stored.parent.mkdir()
    stored.write_text('{"auths": {"ghcr.io": {"auth": "YTpi"}}, "HttpHeaders": {"X": "1"}}')
    api.login(closed_registry.host, USER, PASSWORD, settings())
    where = api.logout(closed_registry.host)
    assert where is not None
    assert str(stored) in where
    assert json.loads(stored.read_bytes()) == {"auths": {"ghcr.io": {"auth": "YTpi"}}, "HttpHeaders": {"X": "1"}}
    assert api.logout(closed_registry.host) is None


@pytest.mark.parametrize("registry", ["", "not a host", "ghcr.io/octocat/hello:v1"])
def test_what_is_no_registry_is_refused(home: Path, registry: str) -> None:
    with pytest.raises(UsageError):
        api.login(registry, USER, PASSWORD, settings())
    assert not (home / ".docker").exists()


def test_a_registry_that_is_not_there(home: Path) -> None:
    with FakeRegistry() as gone:
        host = gone.host
    with pytest.raises(NetworkError):
        api.login(host, USER, PASSWORD, settings())
    assert not (home / ".docker").exists()


def test_doctor_says_what_works(fake_registry: FakeRegistry, new_desk: OpenDesk) -> None:
    desk = new_desk()
    probes = {
        probe.name: probe for probe in api.examine(parse_reference(f"{fake_registry.host}/team/app"), desk.places)
    }
    assert probes["contact"].works
    assert probes["push"].works
    assert fake_registry.tags("team/app") == {}
    assert fake_registry.open_sessions == 0


def test_doctor_tells_a_wrong_login_from_a_missing_registry(
    home: Path, closed_registry: FakeRegistry, new_desk: OpenDesk
) -> None:
    probes = {p.name: p for p in api.examine(parse_reference(f"{closed_registry.host}/team/app"), new_desk().places)}
    assert probes["contact"].works
    assert probes["push"].works is False
    with FakeRegistry() as gone:
        host = gone.host
    probes = {p.name: p for p in api.examine(parse_reference(f"{host}/team/app"), new_desk().places)}
    assert probes["contact"].works is False
