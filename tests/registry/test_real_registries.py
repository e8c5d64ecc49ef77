"""docker-registry as Debian ships it: plain, with Basic auth, behind a token server, behind nginx with TLS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocibuild.errors import AuthError, IntegrityError, NetworkError, NotFoundError, RegistryError
from ocibuild.oci.blobs import BlobSource, Outcome
from ocibuild.oci.digest import Digest
from ocibuild.oci.reference import parse_reference
from ocibuild.registry.credentials import given
from ocibuild.registry.login import verify_login
from ocibuild.registry.repository import Repository
from ocibuild.registry.secret import Login, Secret
from ocibuild.registry.settings import MIB, Settings
from ocibuild.registry.strategy import Strategy
from tests.conftest import StartRegistry
from tests.peers.clients import skopeo
from tests.peers.docker_registry import DockerRegistry
from tests.peers.tls_proxy import TlsRegistry
from tests.registry.conftest import OpenSession
from tests.registry.support import CONFIG, Blob, Session, blob_of, manifest_of, push

pytestmark = pytest.mark.peer("docker-registry")
LAYERS = [blob_of(3 * MIB + seed, seed) for seed in range(3)]


def pull(repository: Repository, name: str) -> list[bytes]:
    repository.read_manifest(repository.resolve(name))
    return [b"".join(repository.open_blob(blob.descriptor)) for blob in LAYERS]


def round_trip(session: Session, host: str, name: str) -> Blob:
    repository = session.repository(host, name)
    manifest = push(repository, LAYERS, "1")
    assert pull(repository, "1") == [blob.data for blob in LAYERS]
    return manifest


def test_plain(session: Session, docker_registry: DockerRegistry) -> None:
    manifest = round_trip(session, docker_registry.host, "real/plain")
    if_read = skopeo("inspect", "--raw", f"docker://{docker_registry.host}/real/plain:1").stdout
    assert if_read.encode() == manifest.data


def test_basic_auth(new_session: OpenSession, start_registry: StartRegistry) -> None:
    registry = start_registry.htpasswd()
    assert registry.username is not None
    assert registry.password is not None
    round_trip(new_session(credentials=given(registry.username, registry.password)), registry.host, "real/basic")
    with pytest.raises(AuthError):
        new_session(credentials=given("alice", "wrong")).repository(registry.host).resolve("1")
    settings = Settings(sleep=lambda _: None)
    assert verify_login(registry.host, Login(registry.username, Secret(registry.password)), settings)
    with pytest.raises(AuthError):
        verify_login(registry.host, Login(registry.username, Secret("wrong")), settings)


def test_token_server(new_session: OpenSession, start_registry: StartRegistry) -> None:
    registry = start_registry.token()
    assert registry.tokens is not None
    session = new_session(credentials=given("alice", "correct horse"))
    round_trip(session, registry.host, "real/token")
    assert registry.tokens.scopes == ["repository:real/token:pull,push", "repository:real/token:pull"]
    mounted = session.repository(registry.host, "real/mounted").put_blob(
        LAYERS[0].source(parse_reference(f"{registry.host}/real/token"))
    )
    assert mounted is Outcome.MOUNTED


def test_tokens_that_end_during_the_push(new_session: OpenSession, start_registry: StartRegistry) -> None:
    """A lifetime of one second: every request finds its token ended, or near it."""
    registry = start_registry.token(lifetime=1)
    assert registry.tokens is not None
    session = new_session(credentials=given("alice", "correct horse"))
    round_trip(session, registry.host, "real/short")
    assert session.waits == []


def test_a_token_server_that_lets_everybody_pull(new_session: OpenSession, start_registry: StartRegistry) -> None:
    registry = start_registry.token(anonymous_pull=True)
    push(new_session(credentials=given("alice", "correct horse")).repository(registry.host), LAYERS, "1")
    anonymous = new_session().repository(registry.host)
    assert pull(anonymous, "1") == [blob.data for blob in LAYERS]
    with pytest.raises(AuthError):
        anonymous.put_blob(blob_of(77).source())


@pytest.mark.peer("nginx")
def test_tls_and_basic_auth_behind_nginx(new_session: OpenSession, tls_registry: TlsRegistry) -> None:
    who = given(tls_registry.username, tls_registry.password)
    round_trip(new_session(credentials=who, ca_file=str(tls_registry.ca_file)), tls_registry.host, "real/tls")
    with pytest.raises(NetworkError) as caught:
        new_session(credentials=who).repository(tls_registry.host).resolve("1")
    assert "--ca-cert" in str(caught.value.hint)
    assert "its certificate is not trusted" in caught.value.what


@pytest.mark.parametrize("strategy", list(Strategy))
def test_every_form_of_upload(session: Session, docker_registry: DockerRegistry, strategy: Strategy) -> None:
    session.registries.host(docker_registry.host).upload_strategy = strategy
    blob = blob_of(9 * MIB + 5, 100 + strategy)
    repository = session.repository(docker_registry.host, "real/forms")
    assert repository.put_blob(blob.source()) is Outcome.SENT
    assert b"".join(repository.open_blob(blob.descriptor)) == blob.data


def test_many_at_once(session: Session, docker_registry: DockerRegistry) -> None:
    repository = session.repository(docker_registry.host, "real/many")
    blobs = [blob_of(200_000, 1000 + seed) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda blob: repository.put_blob(blob.source()), blobs))
    assert outcomes == [Outcome.SENT] * 24
    again = session.repository(docker_registry.host, "real/many-again")
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda blob: again.put_blob(blob.source()), blobs))
    assert outcomes == [Outcome.MOUNTED] * 24


def test_a_copy_from_one_registry_to_another(
    session: Session, docker_registry: DockerRegistry, start_registry: StartRegistry
) -> None:
    source = session.repository(docker_registry.host, "real/source")
    manifest = push(source, LAYERS, "1")
    target = session.repository(start_registry.plain().host, "real/target")
    for blob in (*LAYERS, CONFIG):
        origins = source.blob_origins(blob.descriptor)
        opened = BlobSource(blob.descriptor, lambda blob=blob: source.open_blob(blob.descriptor), origins)  # type: ignore[misc]
        assert target.put_blob(opened) is Outcome.SENT
    target.put_manifest(manifest.descriptor, manifest.data)
    target.tag(manifest.descriptor, manifest.data, "1")
    assert target.resolve("1") == source.resolve("1")


def test_what_docker_registry_refuses(session: Session, docker_registry: DockerRegistry) -> None:
    repository = session.repository(docker_registry.host, "real/refused")
    with pytest.raises(NotFoundError):
        repository.tags()
    manifest = manifest_of(blob_of(123, 5))
    with pytest.raises(RegistryError) as caught:
        repository.put_manifest(manifest.descriptor, manifest.data)
    assert "MANIFEST_BLOB_UNKNOWN" in caught.value.codes
    push(repository, LAYERS, "1", "2")
    assert repository.tags() == ("1", "2")
    with pytest.raises(RegistryError) as caught:
        repository.delete("1")
    assert "by digest only" in str(caught.value.hint)
    repository.delete(str(repository.resolve("1").digest))
    with pytest.raises(NotFoundError):
        repository.resolve("2")


def test_a_blob_that_changed_on_the_registrys_disk(session: Session, start_registry: StartRegistry) -> None:
    registry = start_registry.plain()
    repository = session.repository(registry.host)
    repository.put_blob(LAYERS[0].source())
    digest: Digest = LAYERS[0].descriptor.digest
    stored = next(Path(registry.storage).rglob(f"{digest.encoded}/data"))
    data = bytearray(stored.read_bytes())
    data[1_000_000] ^= 1
    stored.write_bytes(data)
    with pytest.raises(IntegrityError):
        b"".join(repository.open_blob(LAYERS[0].descriptor))
