"""Trying credentials before they are stored."""

from __future__ import annotations

from dataclasses import replace

from ocibuild.errors import AuthError, UsageError, quoted
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.registry.auth import Access
from ocibuild.registry.calls import Call
from ocibuild.registry.host import Host
from ocibuild.registry.refusal import refused
from ocibuild.registry.secret import Found, IdentityToken, Login
from ocibuild.registry.session import Registries
from ocibuild.registry.settings import Settings


def parse_registry(text: str) -> str:
    """The name of a registry as it stands in references: `ghcr.io` for `https://ghcr.io/`, `docker.io` for all names of
    Docker Hub. UsageError where `text` names none."""
    bare = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = bare.partition("/")
    if path not in ("", "v1", "v2"):
        raise UsageError(f"{quoted(text)} is not a registry", hint=f"credentials belong to the whole host: {host}")
    if host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        return "docker.io"
    reference = parse_reference(f"{host}/name")
    if reference.host != host:
        raise UsageError(f"{quoted(text)} is not a registry", hint="a registry is a host name, for example ghcr.io")
    return host


def verify_login(host: str, credential: Login | IdentityToken, settings: Settings) -> bool:
    """Whether the registry itself confirmed the credential; False where it asks nobody for one.

    AuthError where it does not accept it.
    """
    found = Found(credential, "the command line")
    with Registries(replace(settings, credentials=lambda _: found)) as registries:
        registry = registries.host(host)
        registry.run(lambda: _enter(registry), "to let you in")
        return registry.authorizer.scheme is not None


def _enter(registry: Host) -> None:
    # No scope: whether somebody may enter does not depend on a repository.
    call = Call("GET", "/v2/", Access(Reference(registry.name, ""), ()))
    with registry.send(call) as answer:
        if answer.status in (401, 403):
            problem = refused(call.method, answer.url, answer)
            raise AuthError(
                f"{registry.name} does not accept these credentials: {problem.refusal.text or answer.status}",
                where=problem.refusal.place,
                hint="check the user name and the password or token; nothing was stored",
            )
