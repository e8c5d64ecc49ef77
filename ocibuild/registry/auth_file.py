"""Docker's config.json and podman's auth.json: one format, read and edited here. Keys that we do not know stay."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocibuild.errors import AuthError
from ocibuild.oci.reference import DOCKER_HUB, Reference
from ocibuild.registry.credential_helper import CredentialHelper
from ocibuild.registry.secret import Credential, IdentityToken, Login, RegistryToken, Secret

_HUB_KEY = "https://index.docker.io/v1/"
_HUB_HOSTS = (DOCKER_HUB, "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class AuthFile:
    """One file as it was read; `document` is empty where there is no file."""

    path: Path
    document: Mapping[str, Any] = field(repr=False)

    @property
    def is_open_to_others(self) -> bool:
        """Whether other users may read the file."""
        try:
            return bool(self.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
        except OSError:
            return False

    def find(self, reference: Reference, environ: Mapping[str, str]) -> tuple[Credential, str] | None:
        """The credential for a reference and where in the file it was: helper of the host, the store, then entries.

        A store leaves empty entries behind, so an entry without content is no answer.
        """
        for key in _keys(reference):
            if (name := self._section("credHelpers").get(key)) is not None:
                return _asked(CredentialHelper(name, environ), reference.host, f"helper of {key}")
        store = self.document.get("credsStore")
        if store and (found := _asked(CredentialHelper(store, environ), reference.host, "store")):
            return found
        entries = {_plain(key): entry for key, entry in self._section("auths").items()}
        for key in _keys(reference):
            if credential := _credential_in(entries.get(key), self.path):
                return credential, f"entry {key}"
        return None

    def helper_for(self, host: str, environ: Mapping[str, str]) -> CredentialHelper | None:
        """The helper that this file wants for a host, if it wants one."""
        name = self._section("credHelpers").get(host) or self.document.get("credsStore")
        return CredentialHelper(name, environ) if name else None

    def with_entry(self, host: str, entry: Mapping[str, str]) -> AuthFile:
        """The file with this entry for a host instead of any other spelling of it."""
        auths = {**self._entries_without(host), server_key(host): dict(entry)}
        return AuthFile(self.path, {**self.document, "auths": auths})

    def without(self, host: str) -> AuthFile:
        """The file without an entry for a host."""
        kept = self._entries_without(host)
        return self if kept == self._section("auths") else AuthFile(self.path, {**self.document, "auths": kept})

    def save(self) -> None:
        """Write the file at once or not at all, readable by its owner only. AuthError where that fails."""
        try:
            _replace(self.path, json.dumps(self.document, indent="\t").encode() + b"\n")
        except OSError as error:
            raise AuthError(f"the credentials cannot be written: {error.strerror}", where=str(self.path)) from error

    def _entries_without(self, host: str) -> dict[str, Any]:
        return {key: entry for key, entry in self._section("auths").items() if _plain(key) not in _hosts(host)}

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self.document.get(name)
        return section if isinstance(section, dict) else {}


def read_auth_file(path: Path) -> AuthFile:
    """The file at `path`. AuthError where there is one that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return AuthFile(path, {})
    except (OSError, UnicodeDecodeError) as error:
        raise AuthError(
            "the credentials cannot be read", where=str(path), hint="check the file's permissions"
        ) from error
    try:
        document = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise AuthError("the file with credentials is not valid JSON", where=str(path)) from error
    if not isinstance(document, dict):
        raise AuthError("the file with credentials is not a JSON object", where=str(path))
    return AuthFile(path, document)


def entry_of(credential: Login | IdentityToken) -> dict[str, str]:
    """A credential as an entry of `auths`."""
    if isinstance(credential, IdentityToken):
        return {"identitytoken": credential.token.reveal()}
    pair = f"{credential.username}:{credential.password.reveal()}"
    return {"auth": base64.b64encode(pair.encode()).decode()}


def server_key(host: str) -> str:
    """The name under which files and helpers know a host; Docker Hub's is an address of its first API."""
    return _HUB_KEY if host in _HUB_HOSTS else host


def _asked(helper: CredentialHelper, host: str, role: str) -> tuple[Credential, str] | None:
    credential = helper.get(server_key(host))
    return (credential, f"{role}, {helper.program}") if credential else None


def _hosts(host: str) -> tuple[str, ...]:
    return _HUB_HOSTS if host in _HUB_HOSTS else (host,)


def _keys(reference: Reference) -> Iterator[str]:
    """The keys that mean a reference, the longest first: podman's may end in any part of the repository's path."""
    parts = reference.repository.split("/")
    for length in range(len(parts), -1, -1):
        for host in _hosts(reference.host):
            yield "/".join((host, *parts[:length]))


def _plain(key: str) -> str:
    """A key of `auths` without the scheme and API version that Docker's may have."""
    rest = key.partition("://")[2] or key
    host, _, path = rest.rstrip("/").partition("/")
    return host if path in ("", "v1", "v2") else f"{host}/{path}"


def _credential_in(entry: object, path: Path) -> Credential | None:
    if not isinstance(entry, dict):
        return None
    fields = {name: value for name, value in entry.items() if isinstance(value, str) and value}
    if "identitytoken" in fields:
        return IdentityToken(Secret(fields["identitytoken"]))
    if "registrytoken" in fields:
        return RegistryToken(Secret(fields["registrytoken"]))
    if "auth" in fields:
        return _login_in(fields["auth"], path)
    if "username" in fields and "password" in fields:
        return Login(fields["username"], Secret(fields["password"]))
    return None


def _login_in(encoded: str, path: Path) -> Login:
    try:
        text = base64.b64decode(encoded, validate=False).decode().strip("\x00")
    except ValueError as error:  # wrong padding, characters beyond ASCII, or bytes that are not UTF-8
        raise AuthError("an entry of the file with credentials is not base64", where=str(path)) from error
    username, colon, password = text.partition(":")
    if not colon:
        raise AuthError("an entry of the file with credentials is no USER:PASSWORD", where=str(path))
    return Login(username, Secret(password))


def _replace(path: Path, data: bytes) -> None:
    target = Path(os.path.realpath(path))  # a config.json may be a link into somebody's dotfiles
    os.makedirs(target.parent, mode=0o700, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _take_over_owner(file.fileno(), target)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _take_over_owner(descriptor: int, target: Path) -> None:
    try:
        present = target.stat()
    except OSError:
        return
    os.fchmod(descriptor, present.st_mode & 0o600 or 0o600)
    with contextlib.suppress(OSError):  # root, mending a user's file
        os.fchown(descriptor, present.st_uid, present.st_gid)
