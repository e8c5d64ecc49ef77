"""Registries that want TLS and credentials: what is pushed arrives whole, others read it, and no secret gets out."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import Done, ocibuild, succeed
from tests.conftest import StartRegistry
from tests.end_to_end.measured import peak_memory
from tests.end_to_end.project import write_project
from tests.oracles.layouts import Image, read_layout
from tests.peers.clients import Podman, skopeo
from tests.peers.docker_registry import DockerRegistry
from tests.peers.tls_proxy import TlsRegistry

MB = 1_000_000
LIMIT = 150.0  # MB of memory
LAYERS = {"random": 110, "more-random": 70, "text": 100}
SPEC = "apiVersion: ocibuild/v1\ntags: [v1]\ncompression: {type: gzip, level: 1}\nlayers:\n" + "".join(
    f"  - {{name: {name}, files: [{{copy: {name}, to: /srv/{name}}}]}}\n" for name in LAYERS
)


@dataclass(frozen=True)
class Guarded:
    """A registry that lets in nobody without the password: how our command and others are told about it."""

    host: str
    username: str
    password: str
    options: tuple[str, ...] = ()
    certificates: Path | None = None

    @property
    def credentials(self) -> str:
        return f"{self.username}:{self.password}"

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.password, base64.b64encode(self.credentials.encode()).decode()

    def skopeo_source(self) -> tuple[str, ...]:
        trust = ("--src-cert-dir", str(self.certificates)) if self.certificates else ()
        return ("--src-creds", self.credentials, *trust)

    def podman_options(self) -> tuple[str, ...]:
        trust = ("--cert-dir", str(self.certificates)) if self.certificates else ()
        return ("--creds", self.credentials, *trust)

    def login(self, home: Path) -> None:
        """Our own login, whose credentials end in `home`."""
        done = ocibuild(
            "login",
            self.host,
            "-u",
            self.username,
            "--password-stdin",
            *self.options,
            cwd=home,
            stdin=self.password + "\n",
        )
        assert done.status == 0, done.stderr
        self.check_silence(done)

    def check_silence(self, done: Done) -> None:
        said = done.stdout + done.stderr
        assert [secret for secret in self.secrets if secret in said] == []
        assert not re.search(r"(?i)bearer +[A-Za-z0-9._-]{20,}", said)


@pytest.fixture(params=["nginx with TLS and Basic", "token server"], ids=lambda name: name.replace(" ", "-"))
def guarded(request: pytest.FixtureRequest, start_registry: StartRegistry) -> Guarded:
    if request.param == "token server":
        registry = start_registry.token()
        assert registry.username is not None
        assert registry.password is not None
        return Guarded(registry.host, registry.username, registry.password)
    tls: TlsRegistry = request.getfixturevalue("tls_registry")
    return Guarded(tls.host, tls.username, tls.password, ("--ca-cert", str(tls.ca_file)), tls.certificates)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project of 280 MB, most of which cannot be compressed, built into its default layout."""
    directory = tmp_path_factory.mktemp("large")
    line = b"the quick brown fox jumps over the lazy dog %09d\n"
    for name, size in LAYERS.items():
        content = (
            os.urandom(size * MB) if "random" in name else b"".join(line % n for n in range(size * MB // len(line)))
        )
        (directory / name).write_bytes(content)
    (directory / "ocibuild.yaml").write_text(SPEC)
    succeed("build", "-q", cwd=directory)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.peer("docker-registry", "nginx", "skopeo", "podman")
def test_a_large_image_goes_there_and_back(large: Path, guarded: Guarded, podman: Podman, tmp_path: Path) -> None:
    built = succeed("digest", "oci:.ocibuild/layout", cwd=large).digest
    reference = f"{guarded.host}/guarded/large:v1"
    guarded.login(tmp_path)
    home = {"HOME": str(tmp_path)}

    assert peak_memory("push", "-q", reference, *guarded.options, cwd=large, env=home) < LIMIT
    assert peak_memory("pull", "-q", reference, "-o", "oci:pulled", *guarded.options, cwd=tmp_path) < LIMIT
    (image,) = read_layout(tmp_path / "pulled")  # where the oracle hashes every blob
    assert image.digest == built
    assert sum(layer.descriptor["size"] for layer in image.layers) > 180 * MB

    again = ocibuild("push", "-vv", reference, *guarded.options, cwd=large, env=home)
    assert again.status == 0, again.stderr
    assert again.stdout == f"{guarded.host}/guarded/large@{built}\n"
    guarded.check_silence(again)

    skopeo(
        "copy",
        *guarded.skopeo_source(),
        f"docker://{reference}",
        f"oci:{tmp_path}/copied:v1",
        verify_tls=_has_tls(guarded),
    )
    (named,) = json.loads((tmp_path / "copied/index.json").read_bytes())["manifests"]
    assert named["digest"] == built
    pulled = podman(
        "pull", "--quiet", *guarded.podman_options(), reference, verify_tls=_has_tls(guarded)
    ).stdout.strip()
    assert podman("image", "inspect", "--format", "{{.Digest}}", pulled).stdout.strip() == built


def _has_tls(guarded: Guarded) -> bool:
    return guarded.certificates is not None


@pytest.mark.peer("docker-registry", "nginx")
def test_without_credentials_nothing_is_pushed(guarded: Guarded, tmp_path: Path) -> None:
    write_project(tmp_path)
    succeed("build", "-q", cwd=tmp_path)
    done = ocibuild("push", f"{guarded.host}/guarded/app:v1", *guarded.options, cwd=tmp_path)
    assert done.status == 5
    assert "ocibuild login" in done.stderr


@pytest.mark.peer("docker-registry", "nginx")
def test_a_login_with_a_wrong_password_is_refused_and_forgotten(guarded: Guarded, tmp_path: Path) -> None:
    wrong = "not-the-password"
    done = ocibuild(
        "login",
        guarded.host,
        "-u",
        guarded.username,
        "--password-stdin",
        "-vv",
        *guarded.options,
        cwd=tmp_path,
        stdin=wrong,
    )
    assert done.status == 5
    assert wrong not in done.stdout + done.stderr
    assert not (tmp_path / ".docker").exists()


@pytest.mark.peer("docker-registry", "nginx", "podman")
def test_build_and_push_at_once_for_all_platforms(guarded: Guarded, podman: Podman, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    spec = project / "ocibuild.yaml"
    spec.write_text(spec.read_text().replace("registry.example/team", f"{guarded.host}/guarded"))
    guarded.login(tmp_path)
    done = succeed(
        "build", "--push", "--metadata-file", "meta.json", *guarded.options, cwd=project, env={"HOME": str(tmp_path)}
    )
    index = json.loads((project / "meta.json").read_bytes())
    assert done.digest == index["containerimage.digest"]
    images = read_layout(project / ".ocibuild/layout")
    for platform in ("linux/amd64", "linux/arm64"):
        reference = f"{guarded.host}/guarded/everything:latest"
        options = (*guarded.podman_options(), "--platform", platform, reference)
        pulled = podman("pull", "--quiet", *options, verify_tls=_has_tls(guarded)).stdout.strip()
        assert f"sha256:{pulled}" == _config_of(images, platform)


def _config_of(images: list[Image], platform: str) -> str:
    (image,) = {image.digest: image for image in images if image.platform.startswith(platform)}.values()
    return str(image.manifest["config"]["digest"])


@pytest.mark.peer("docker-registry")
def test_a_second_push_of_an_unchanged_image_only_looks(docker_registry: DockerRegistry, tmp_path: Path) -> None:
    """As docker-registry's own log tells: no blob bytes, one HEAD a blob, one exchange a tag."""
    write_project(tmp_path)
    succeed("build", "-q", cwd=tmp_path)
    repository = f"{docker_registry.host}/guarded/twice"
    first = succeed("push", "-q", repository, cwd=tmp_path)
    seen = docker_registry.log.stat().st_size
    second = succeed("push", "-q", "--json", repository, cwd=tmp_path)
    (pushed,) = second.json["pushed"]
    assert (pushed["digest"], pushed["sentBytes"]) == (first.digest, 0)
    with docker_registry.log.open() as log:
        log.seek(seen)
        asked = re.findall(r'"([A-Z]+) (/v2/\S*) HTTP', log.read())
    heads = [path for method, path in asked if method == "HEAD"]
    assert {method for method, path in asked if path != "/v2/"} == {"HEAD"}
    assert len(heads) == len(set(heads)), "something was asked for twice"
    blobs = {blob["digest"] for blob in pushed["blobs"]}
    assert {path.rpartition("/")[2] for path in heads if "/blobs/" in path} == blobs
    assert sorted(path.rpartition("/")[2] for path in heads if "/manifests/" in path and "sha256:" not in path) == [
        "latest",
        "v1",
    ]
