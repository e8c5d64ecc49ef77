"""The acceptance cases about credentials and hostile registries, by their numbers in the catalogue."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ocibuild.errors import AuthError, RegistryError
from ocibuild.oci.reference import parse_reference
from ocibuild.registry.credentials import find_credential, store_credential
from ocibuild.registry.login import verify_login
from ocibuild.registry.secret import Login, Secret
from ocibuild.registry.settings import Settings
from tests.fake_registry import (
    BLOBS,
    BasicAuth,
    BearerAuth,
    FakeRegistry,
    Recorder,
    TokenService,
    image_of,
    same_target_on,
)
from tests.fake_registry.fixtures import Run, Tls
from tests.registry.conftest import OpenSession
from tests.registry.support import KNOWN, PASSWORD, USER, Session, blob_of

BLOB = blob_of(1000)


def assert_no_secrets(session: Session, tokens: TokenService | None = None, *more: str) -> None:
    """Neither the password, nor what it is coded as, nor a token stands in anything that could be shown."""
    shown = "\n".join((*session.lines, *map(str, session.events), *map(repr, session.events), *more))
    pair = f"{USER}:{PASSWORD}"
    secrets = [PASSWORD, base64.b64encode(pair.encode()).decode(), base64.b64encode(PASSWORD.encode()).decode()]
    for secret in (*secrets, *(tokens.issued if tokens else ())):
        assert secret not in shown


def told(error: BaseException) -> str:
    """All that a person or a log could be shown of an error, its causes included."""
    parts = []
    link: BaseException | None = error
    while link is not None:
        parts += [str(link), repr(link), str(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(parts)


@pytest.fixture
def trusting(new_session: OpenSession, fake_tls: Tls) -> Session:
    """A session of a user, which trusts the test's own authority."""
    return new_session(credentials=KNOWN, ca_file=str(fake_tls.authority))


@pytest.mark.parametrize("demand", ["", 'Basic realm="x"', 'Bearer realm="https://evil.test/token",service="x"'])
def test_21_a_redirect_to_another_port_carries_no_credentials(
    fake_registry: FakeRegistry, running: Run, new_session: OpenSession, demand: str
) -> None:
    fake_registry.auth = BasicAuth(USER, PASSWORD)
    fake_registry.add_blob("team/app", BLOB.data)
    other = running(Recorder(401) if demand else FakeRegistry(contents=fake_registry.contents))
    if demand:
        other.quirk("*", "*").challenge(demand)
    fake_registry.quirk("GET", BLOBS).redirect(same_target_on(other.url))
    session = new_session(credentials=KNOWN)
    repository = session.repository(fake_registry.host)
    if demand:
        with pytest.raises(RegistryError) as caught:
            b"".join(repository.open_blob(BLOB.descriptor))
        assert_no_secrets(session, None, told(caught.value))
    else:
        assert b"".join(repository.open_blob(BLOB.descriptor)) == BLOB.data
    assert other.count("GET") == 1
    for name in ("Authorization", "Cookie"):
        assert not other.saw_header(name)


def test_21_credentials_do_not_come_back_on_a_detour(
    fake_registry: FakeRegistry, running: Run, new_session: OpenSession
) -> None:
    """From A to B and back to A: the third request is the registry's own again, and may know us."""
    fake_registry.auth = BasicAuth(USER, PASSWORD)
    fake_registry.add_blob("team/app", BLOB.data)
    other = running(Recorder())
    fake_registry.on("GET", BLOBS).redirect(same_target_on(other.url))
    other.on("GET", "*").redirect(same_target_on(fake_registry.url))
    session = new_session(credentials=KNOWN)
    assert b"".join(session.repository(fake_registry.host).open_blob(BLOB.descriptor)) == BLOB.data
    assert not other.saw_header("Authorization")


def hostile_realm(registry: FakeRegistry, realm: str) -> TokenService:
    tokens = TokenService(users={USER: PASSWORD})
    registry.auth = BearerAuth(tokens, realm=realm)
    return tokens


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize(
    "realm",
    ["http://{registry}/token", "http://{bystander}/token", "https://{bystander}/token", "https://localhost:{port}/token",
     "https://169.254.169.254/latest/meta-data", "https://[::1]:{port}/token", "https://0x7f.1:{port}/token",
     "https://user:pw@{registry}/token", "file:///etc/passwd", "https://"],
)  # fmt: skip
def test_22_a_hostile_realm_sees_nothing(
    trusting: Session, running: Run, fake_tls: Tls, recorder: Recorder, realm: str, host: str
) -> None:
    registry = running(FakeRegistry(tls=fake_tls.server))
    tokens = hostile_realm(
        registry, realm.format(registry=f"{host}:{registry.port}", bystander=recorder.host, port=recorder.port)
    )
    with pytest.raises(RegistryError, match=r"token server .* is not followed") as caught:
        trusting.repository(f"{host}:{registry.port}").resolve("1")
    recorder.assert_untouched()
    assert tokens.asked == []
    assert not registry.saw_header("Authorization")
    assert caught.value.exit_code == 4
    assert_no_secrets(trusting, tokens, told(caught.value))


class Names:
    """A DNS of one's own, which may change its mind."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    def __call__(self, host: str) -> Sequence[str]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "100.100.100.200"])
def test_22_a_name_that_resolves_into_this_network_is_not_gone_to(
    new_session: OpenSession, running: Run, fake_tls: Tls, recorder: Recorder, address: str
) -> None:
    registry = running(FakeRegistry(tls=fake_tls.server))
    tokens = hostile_realm(registry, f"https://innocent.test:{recorder.port}/token")
    session = new_session(credentials=KNOWN, ca_file=str(fake_tls.authority), resolve=Names([address]))
    with pytest.raises(RegistryError, match="is not followed"):
        session.repository(f"localhost:{registry.port}").resolve("1")
    recorder.assert_untouched()
    assert tokens.asked == []


def test_22_a_name_that_changes_its_mind_gets_a_connection_but_no_byte(
    new_session: OpenSession, running: Run, fake_tls: Tls, recorder: Recorder
) -> None:
    """DNS rebinding: public when the name is looked up, this machine when the connection is made. (The system reads the
    number as 127.0.0.1, without DNS.)"""
    registry = running(FakeRegistry(tls=fake_tls.server))
    registry.add_blob("team/app", BLOB.data)
    registry.quirk("GET", BLOBS).redirect(f"https://2130706433:{recorder.port}/")
    session = new_session(ca_file=str(fake_tls.authority), resolve=Names(["93.184.216.34"]))
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1 is an address of this machine"):
        b"".join(session.repository(f"localhost:{registry.port}").open_blob(BLOB.descriptor))
    recorder.settle()
    assert recorder.requests() == []


def test_22_the_metadata_service_is_not_asked_for_a_blob(fake_registry: FakeRegistry, session: Session) -> None:
    fake_registry.add_blob("team/app", BLOB.data)
    fake_registry.quirk("GET", BLOBS).redirect("http://169.254.169.254/latest/meta-data")
    with pytest.raises(RegistryError, match=r"redirect .* is not followed"):
        b"".join(session.repository(fake_registry.host).open_blob(BLOB.descriptor))


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_23_login_tries_first_and_stores_for_the_owner_only(fake_registry: FakeRegistry, tmp_path: Path) -> None:
    fake_registry.auth = BasicAuth(USER, PASSWORD)
    file = tmp_path / ".docker" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {}, "proxies": {"default": {}}}))
    environ = {"HOME": str(tmp_path)}
    before = file.read_bytes()

    def login(password: str) -> None:
        credential = Login(USER, Secret(password))
        verify_login(fake_registry.host, credential, Settings(sleep=lambda _: None))
        store_credential(fake_registry.host, credential, environ=environ)

    with pytest.raises(AuthError) as caught:
        login("wrong-one")
    assert caught.value.exit_code == 5
    assert "wrong-one" not in told(caught.value)
    assert file.read_bytes() == before
    login(PASSWORD)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["proxies"] == {"default": {}}
    found = find_credential(parse_reference(f"{fake_registry.host}/a/b"), environ=environ)
    assert found.credential == Login(USER, Secret(PASSWORD))


def test_a_whole_session_shows_no_secret(fake_registry: FakeRegistry, new_session: OpenSession) -> None:
    tokens = TokenService(users={USER: PASSWORD})
    fake_registry.auth = BearerAuth(tokens)
    fake_registry.settings.opaque_query = "_state={state}&X-Signature=abc123"
    fake_registry.add_image("team/app", image_of(), "1")
    session = new_session(credentials=KNOWN)
    repository = session.repository(fake_registry.host)
    repository.put_blob(BLOB.source())
    repository.read_manifest(repository.resolve("1"))
    fake_registry.auth = BearerAuth(TokenService())
    with pytest.raises(AuthError) as caught:
        repository.put_blob(blob_of(3).source())
    assert_no_secrets(session, tokens, told(caught.value))
    assert "abc123" not in "\n".join(session.lines)
