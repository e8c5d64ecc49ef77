"""The peers themselves: what other tests stand on must stand."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import StartRegistry
from tests.oracles.layouts import read_layout
from tests.oracles.trees import differences
from tests.peers import servers
from tests.peers.clients import Podman, skopeo, umoci
from tests.peers.docker_registry import DockerRegistry
from tests.peers.programs import ProgramError, require
from tests.peers.servers import wait_until
from tests.peers.tls_proxy import TlsRegistry


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image made by umoci, with one file in one layer."""
    directory = tmp_path_factory.mktemp("umoci") / "layout"
    source = directory.parent / "greeting"
    source.write_text("hello\n")
    umoci("init", "--layout", directory)
    umoci("new", "--image", f"{directory}:latest")
    umoci("insert", "--image", f"{directory}:latest", source, "/etc/greeting")
    return directory


def digest_of(layout: Path) -> str:
    return read_layout(layout)[0].digest


def status_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


@pytest.mark.peer("docker-registry", "skopeo", "umoci")
def test_skopeo_pushes_to_docker_registry_and_reads_the_same_digest(
    layout: Path, docker_registry: DockerRegistry, tmp_path: Path
) -> None:
    target = f"docker://{docker_registry.host}/peers/plain:1"
    skopeo("copy", f"oci:{layout}:latest", target)
    assert skopeo("inspect", "--format", "{{.Digest}}", target).stdout.strip() == digest_of(layout)
    skopeo("copy", target, f"oci:{tmp_path}/back:latest")
    assert digest_of(tmp_path / "back") == digest_of(layout)
    assert "PUT /v2/peers/plain/manifests/1" in docker_registry.log.read_text()


@pytest.mark.peer("docker-registry", "skopeo", "umoci", "podman")
def test_podman_pulls_and_mounts_in_a_storage_of_its_own(
    layout: Path, docker_registry: DockerRegistry, podman: Podman
) -> None:
    reference = f"{docker_registry.host}/peers/podman:1"
    skopeo("copy", f"oci:{layout}:latest", f"docker://{reference}")
    root = podman.mount(podman.pull(reference))
    assert root.is_relative_to(podman.directory)
    assert (root / "etc/greeting").read_text() == "hello\n"


@pytest.mark.peer("umoci")
def test_umoci_unpacks_what_it_packed(layout: Path, tmp_path: Path) -> None:
    umoci("unpack", "--image", f"{layout}:latest", tmp_path / "bundle")
    assert differences(tmp_path / "bundle/rootfs", tmp_path / "bundle/rootfs") == []
    assert (tmp_path / "bundle/rootfs/etc/greeting").read_text() == "hello\n"


@pytest.mark.peer("docker-registry", "skopeo", "umoci")
def test_htpasswd_registry_wants_the_password(layout: Path, start_registry: StartRegistry) -> None:
    registry = start_registry.htpasswd()
    target = f"docker://{registry.host}/peers/basic:1"
    with pytest.raises(ProgramError, match=r"authentication required|unauthorized"):
        skopeo("copy", "--dest-creds", "alice:wrong", f"oci:{layout}:latest", target)
    skopeo("copy", "--dest-creds", registry.credentials, f"oci:{layout}:latest", target)
    assert digest_of(layout) in skopeo("inspect", "--creds", registry.credentials, target).stdout


@pytest.mark.peer("docker-registry", "skopeo", "umoci", "openssl")
def test_token_registry_gives_tokens_and_records_them(layout: Path, start_registry: StartRegistry) -> None:
    registry = start_registry.token(anonymous_pull=True)
    assert registry.tokens is not None
    target = f"docker://{registry.host}/peers/token:1"
    skopeo("copy", "--dest-creds", registry.credentials, f"oci:{layout}:latest", target)
    assert {"repository:peers/token:pull,push"} <= set(registry.tokens.scopes)
    assert all(request.granted and request.account == "alice" for request in registry.tokens.requests)
    before = registry.tokens.count
    assert digest_of(layout) in skopeo("inspect", target).stdout
    assert registry.tokens.count > before
    assert registry.tokens.requests[-1].account is None
    with pytest.raises(ProgramError):
        skopeo("delete", target)


@pytest.mark.peer("docker-registry", "openssl")
@pytest.mark.parametrize(("lifetime", "status"), [(60, 404), (0, 401)])
def test_a_token_ends_when_its_lifetime_says(start_registry: StartRegistry, lifetime: int, status: int) -> None:
    registry = start_registry.token(lifetime=lifetime)
    assert registry.tokens is not None
    token = registry.tokens.token("alice", ("repository:peers/none:pull",))
    request = urllib.request.Request(f"http://{registry.host}/v2/peers/none/manifests/1")
    request.add_header("Authorization", f"Bearer {token}")
    assert status_of(request) == status


@pytest.mark.peer("docker-registry", "openssl")
@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("grant_type=password&username=alice&password=correct%20horse", 200),
        ("grant_type=password&username=alice&password=wrong", 401),
        ("grant_type=refresh_token&refresh_token={refresh}", 200),
        ("grant_type=refresh_token&refresh_token=wrong", 401),
    ],
)
def test_token_server_speaks_oauth2(start_registry: StartRegistry, form: str, status: int) -> None:
    tokens = start_registry.token().tokens
    assert tokens is not None
    body = form.format(refresh=tokens.refresh_token("alice")) + "&scope=repository:a:pull%20repository:b:pull"
    assert status_of(urllib.request.Request(tokens.realm, data=body.encode())) == status
    assert tokens.scopes == ["repository:a:pull", "repository:b:pull"]


@pytest.mark.peer("nginx", "docker-registry", "skopeo", "umoci", "openssl")
def test_tls_registry_wants_its_authority_and_the_password(layout: Path, tls_registry: TlsRegistry) -> None:
    source, target = f"oci:{layout}:latest", f"docker://{tls_registry.host}/peers/tls:1"
    trust = ("--dest-cert-dir", tls_registry.certificates)
    with pytest.raises(ProgramError, match="certificate signed by unknown authority"):
        skopeo("copy", "--dest-creds", tls_registry.credentials, source, target, verify_tls=True)
    with pytest.raises(ProgramError, match=r"authentication required|401"):
        skopeo("copy", *trust, source, target, verify_tls=True)
    skopeo("copy", *trust, "--dest-creds", tls_registry.credentials, source, target, verify_tls=True)
    plain = f"docker://{tls_registry.upstream.host}/peers/tls:1"
    assert digest_of(layout) in skopeo("inspect", plain).stdout


@pytest.mark.peer("docker-registry")
def test_a_server_ends_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from tests.peers.docker_registry import plain_registry\n"
        "with plain_registry(pathlib.Path(sys.argv[1])) as registry:\n"
        "    print(registry.host, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        host = run.stdout.readline().strip()
        assert servers.accepts_connections(host)
        run.kill()
    wait_until(lambda: not servers.accepts_connections(host), f"{host} is gone", within=5)


def test_a_missing_program_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        require("no-such-program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nothing is left out"):
        require("no-such-program")
