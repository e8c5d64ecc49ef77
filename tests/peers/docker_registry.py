"""Debian's docker-registry (distribution 2.8): plain, with Basic auth, or behind a token server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.certificates import make_signing_certificate
from tests.peers.servers import LOOPBACK, free_port, serving
from tests.peers.token_server import TokenServer, serving_tokens

USERNAME = "alice"
PASSWORD = "correct horse"
# bcrypt (the only scheme that docker-registry reads) of PASSWORD, at its lowest cost.
HTPASSWD = f"{USERNAME}:$2b$04$oMr..DQhwYEniax01XUGt.0XZL/vSa/iFL3diNgXX.vzfI7qe6gwi\n"


@dataclass(frozen=True, slots=True)
class DockerRegistry:
    """A running registry. `log` has a line for every request; `storage` is its directory of blobs."""

    host: str
    log: Path
    storage: Path
    username: str | None = None
    password: str | None = None
    tokens: TokenServer | None = None

    @property
    def credentials(self) -> str:
        """`USER:PASSWORD`, as `--creds` of skopeo and podman takes it."""
        assert self.username is not None
        return f"{self.username}:{self.password}"


@contextmanager
def plain_registry(directory: Path) -> Iterator[DockerRegistry]:
    """A registry that lets everybody push, pull and delete."""
    with _registry(directory, {}) as (host, log):
        yield DockerRegistry(host, log, directory / "storage")


@contextmanager
def htpasswd_registry(directory: Path) -> Iterator[DockerRegistry]:
    """A registry that answers nobody but USERNAME with PASSWORD (HTTP Basic)."""
    passwords = directory / "htpasswd"
    passwords.write_text(HTPASSWD)
    with _registry(directory, {"htpasswd": {"realm": "test", "path": str(passwords)}}) as (host, log):
        yield DockerRegistry(host, log, directory / "storage", USERNAME, PASSWORD)


@contextmanager
def token_registry(directory: Path, *, lifetime: int = 300, anonymous_pull: bool = False) -> Iterator[DockerRegistry]:
    """A registry that takes Bearer tokens of our own token server, which gives them to USERNAME with PASSWORD.

    A token is refused by the registry from `lifetime` seconds after it was issued.
    """
    signer = make_signing_certificate(directory)
    users = {USERNAME: PASSWORD}
    with serving_tokens(signer, users, lifetime=lifetime, anonymous_pull=anonymous_pull) as tokens:
        trust = {
            "realm": tokens.realm,
            "service": tokens.service,
            "issuer": tokens.issuer,
            "rootcertbundle": str(signer.file),
        }
        with _registry(directory, {"token": trust}) as (host, log):
            yield DockerRegistry(host, log, directory / "storage", USERNAME, PASSWORD, tokens)


@contextmanager
def _registry(directory: Path, auth: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    port = free_port()
    host = f"{LOOPBACK}:{port}"
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "storage")},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": host, "secret": "one process, one secret"},
        **({"auth": auth} if auth else {}),
    }
    # JSON is YAML, which is what docker-registry reads.
    (directory / "config.yml").write_text(json.dumps(settings))
    log = directory / "log"
    command = ("docker-registry", "serve", directory / "config.yml")
    with serving(command, name=f"docker-registry {host}", port=port, log=log):
        yield host, log
