"""Where credentials come from, and where `login` puts them. The only module of this package that reads the environment.

In this order, the first that has something for the reference:

1. what the caller was given (`--username` and its password): see `given`
2. the file that REGISTRY_AUTH_FILE names
3. `config.json` in DOCKER_CONFIG, else in `~/.docker`
4. `containers/auth.json` in XDG_RUNTIME_DIR, then in XDG_CONFIG_HOME or `~/.config`
5. GitLab's CI_REGISTRY_USER and CI_REGISTRY_PASSWORD, for the host CI_REGISTRY only
6. GITHUB_TOKEN, for ghcr.io only
7. nobody: anonymous
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ocibuild.oci.reference import Reference
from ocibuild.registry.auth_file import AuthFile, entry_of, read_auth_file, server_key
from ocibuild.registry.secret import Credential, Found, IdentityToken, Login, Secret

FindCredential = Callable[[Reference], Found]
ANONYMOUS = Found(None, "none found: anonymous")


def find_credential(
    reference: Reference, *, environ: Mapping[str, str] | None = None, home: Path | None = None
) -> Found:
    """The credential for a reference, and where it is from. AuthError for a file or helper that cannot be used."""
    environment = os.environ if environ is None else environ
    for file in _files(environment, home):
        if found := file.find(reference, environment):
            credential, place = found
            exposed = place.startswith("entry") and file.is_open_to_others
            warning = f"{file.path} holds a secret that other users can read: chmod 600" if exposed else None
            return Found(credential, f"{file.path}, {place}", warning)
    return _from_ci(reference.host, environment) or ANONYMOUS


def given(username: str, password: str) -> FindCredential:
    """A source that knows one login for everything, for what was given on the command line."""
    found = Found(Login(username, Secret(password)), "the command line")
    return lambda _: found


def store_credential(
    host: str,
    credential: Login | IdentityToken,
    *,
    environ: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> str:
    """Keep a credential for a host: with the helper that the file wants for it, else in the file. Returns where, in words.

    AuthError where it cannot be kept.
    """
    environment = os.environ if environ is None else environ
    file = read_auth_file(_path_to_write(environment, home))
    if helper := file.helper_for(host, environment):
        helper.store(server_key(host), credential)
        file.with_entry(host, {}).save()
        return f"{helper.program}, by {file.path}"
    file.with_entry(host, entry_of(credential)).save()
    return str(file.path)


def erase_credential(host: str, *, environ: Mapping[str, str] | None = None, home: Path | None = None) -> str | None:
    """Forget the credential for a host where `store_credential` keeps it. Returns from where; None if there was none."""
    environment = os.environ if environ is None else environ
    file = read_auth_file(_path_to_write(environment, home))
    helper = file.helper_for(host, environment)
    if helper:
        helper.erase(server_key(host))
    changed = file.without(host)
    if changed is not file:
        changed.save()
    if helper:
        return f"{helper.program}, by {file.path}"
    return str(file.path) if changed is not file else None


def _path_to_write(environ: Mapping[str, str], home: Path | None) -> Path:
    named = environ.get("REGISTRY_AUTH_FILE")
    return Path(named) if named else _docker_config(environ, home)


def _docker_config(environ: Mapping[str, str], home: Path | None) -> Path:
    directory = environ.get("DOCKER_CONFIG")
    return (Path(directory) if directory else _home(environ, home) / ".docker") / "config.json"


def _home(environ: Mapping[str, str], home: Path | None) -> Path:
    return home or Path(environ.get("HOME") or os.path.expanduser("~"))


def _files(environ: Mapping[str, str], home: Path | None) -> Iterator[AuthFile]:
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield read_auth_file(Path(named))
    yield read_auth_file(_docker_config(environ, home))
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield read_auth_file(Path(runtime) / "containers" / "auth.json")
    settings = environ.get("XDG_CONFIG_HOME")
    yield read_auth_file(
        (Path(settings) if settings else _home(environ, home) / ".config") / "containers" / "auth.json"
    )


def _from_ci(host: str, environ: Mapping[str, str]) -> Found | None:
    user, password = environ.get("CI_REGISTRY_USER"), environ.get("CI_REGISTRY_PASSWORD")
    if user and password and host == environ.get("CI_REGISTRY"):
        return Found(_login(user, password), "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD")
    # Exactly this host: the token opens all that its repository may do, and belongs to nobody else (ggcr authn/github).
    token = environ.get("GITHUB_TOKEN")
    if token and host == "ghcr.io":
        return Found(_login(environ.get("GITHUB_ACTOR") or "token", token), "GITHUB_TOKEN")
    return None


def _login(username: str, password: str) -> Credential:
    return Login(username, Secret(password))
