"""Docker's credential helpers: `docker-credential-NAME get|store|erase`, JSON over stdin and stdout."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping

from ocibuild.errors import AuthError
from ocibuild.registry.redact import printable
from ocibuild.registry.secret import Credential, IdentityToken, Login, Secret

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*", re.ASCII)
_NOT_FOUND = ("credentials not found", "no credentials server url", "no credentials username")
_TIMEOUT = 60.0  # it may ask its user to touch a key
_TOKEN_USER = "<token>"  # noqa: S105 - the user name by which helpers mark an identity token


class CredentialHelper:
    """One helper by its name, as a configuration file gives it. AuthError if that is not a plain word."""

    def __init__(self, name: object, environ: Mapping[str, str]) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise AuthError(f"{printable(repr(name), 80)} is not the name of a credential helper")
        self.program = f"docker-credential-{name}"
        self._environ = dict(environ)

    def get(self, server: str) -> Credential | None:
        """What the helper holds for `server`; None where it holds nothing. AuthError where it fails."""
        done = self._run("get", server)
        if done.returncode != 0:
            if any(words in done.stdout.lower() for words in _NOT_FOUND):
                return None
            raise self._failure("get", done)
        try:
            answer = json.loads(done.stdout)
            username, secret = answer["Username"], answer["Secret"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise AuthError(f"{self.program} did not answer with a user name and a secret") from error
        if not isinstance(username, str) or not isinstance(secret, str) or not secret:
            return None
        return IdentityToken(Secret(secret)) if username == _TOKEN_USER else Login(username, Secret(secret))

    def store(self, server: str, credential: Login | IdentityToken) -> None:
        """Let the helper keep a credential. AuthError where it fails."""
        username, secret = (
            (credential.username, credential.password)
            if isinstance(credential, Login)
            else (_TOKEN_USER, credential.token)
        )
        entry = {"ServerURL": server, "Username": username, "Secret": secret.reveal()}
        done = self._run("store", json.dumps(entry))
        if done.returncode != 0:
            raise self._failure("store", done)

    def erase(self, server: str) -> None:
        """Let the helper forget what it holds for `server`. AuthError where it fails."""
        done = self._run("erase", server)
        if done.returncode != 0 and not any(words in done.stdout.lower() for words in _NOT_FOUND):
            raise self._failure("erase", done)

    def _run(self, action: str, stdin: str) -> subprocess.CompletedProcess[str]:
        path = shutil.which(self.program, path=self._environ.get("PATH"))
        if path is None:
            raise AuthError(
                f"the credential helper {self.program} is not installed",
                hint="install it, or take it out of the configuration file (credsStore, credHelpers)",
            )
        try:
            # The secret goes through stdin: arguments and environments can be seen by others.
            return subprocess.run(  # noqa: S603 - the path is of a plain word, without a shell
                [path, action],
                input=stdin,
                env=self._environ,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AuthError(f"{self.program} {action} did not end within {_TIMEOUT:.0f} s") from error
        except OSError as error:
            raise AuthError(f"{self.program} cannot be run: {error.strerror}") from error

    def _failure(self, action: str, done: subprocess.CompletedProcess[str]) -> AuthError:
        said = printable(done.stdout or done.stderr, 200) or f"status {done.returncode}"
        return AuthError(f"{self.program} {action} failed: {said}")
