"""Keys, certificates and signatures by the openssl command, so that tests need no package for them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.peers.programs import call, require

DAYS = "2"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, both PEM files."""

    file: Path
    key: Path


def make_authority(directory: Path) -> Certificate:
    """A certificate authority of our own, as `ca.crt` in `directory`."""
    made = Certificate(directory / "ca.crt", directory / "ca.key")
    extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl_req(made, "Test authority", extensions)
    return made


def make_server_certificate(authority: Certificate, directory: Path, names: Sequence[str] = ()) -> Certificate:
    """A certificate for localhost, 127.0.0.1 and `names`, signed by `authority`, as `server.crt` in `directory`."""
    made = Certificate(directory / "server.crt", directory / "server.key")
    extensions = (
        ",".join(("subjectAltName=DNS:localhost,IP:127.0.0.1", *(f"DNS:{name}" for name in names))),
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth",
    )
    _openssl_req(made, "localhost", extensions, "-CA", authority.file, "-CAkey", authority.key)
    return made


def make_signing_certificate(directory: Path) -> Certificate:
    """A self-signed certificate over an RSA key, for `sign_rs256`, as `token.crt` in `directory`."""
    made = Certificate(directory / "token.crt", directory / "token.key")
    _openssl_req(made, "Test token issuer", (), key=("-newkey", "rsa:2048"))
    return made


def der(certificate: Path) -> bytes:
    return _binary("x509", "-in", str(certificate), "-outform", "DER")


def sign_rs256(key: Path, message: bytes) -> bytes:
    """The RSASSA-PKCS1-v1_5 signature with SHA-256, which JSON Web Tokens call RS256."""
    return _binary("dgst", "-sha256", "-sign", str(key), stdin=message)


def _openssl_req(
    made: Certificate,
    subject: str,
    extensions: tuple[str, ...],
    *more: str | Path,
    key: tuple[str, ...] = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
) -> None:
    added = [word for extension in extensions for word in ("-addext", extension)]
    where = ("-keyout", made.key, "-out", made.file)
    call("openssl", "req", "-x509", *key, "-noenc", "-days", DAYS, "-subj", f"/CN={subject}", *where, *added, *more)


def _binary(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run([require("openssl"), *arguments], input=stdin, capture_output=True, check=True).stdout
