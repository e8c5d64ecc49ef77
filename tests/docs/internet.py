"""The registries of the world, as far as a page needs them: every one of them is the registry that runs here.

Programs reach it through a proxy (HTTPS_PROXY) that ends TLS under an authority of our own. So a page can name ghcr.io, and its
commands run as they stand.
"""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.peers.certificates import Certificate, make_authority, make_server_certificate

HOSTS = (
    "ghcr.io", "registry-1.docker.io", "index.docker.io", "docker.io", "quay.io", "registry.gitlab.com", "registry.example",
    "mirror.example", "public.ecr.aws", "mcr.microsoft.com", "gcr.io", "registry.example.com",
)  # fmt: skip
PATIENCE = 60.0


class Internet:
    """What a program's environment must say to get there."""

    def __init__(self, proxy: str, ca_file: Path) -> None:
        self.environment = {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(ca_file)}


@dataclass(frozen=True, slots=True)
class Trust:
    """A certificate for all of HOSTS, and the authority that signed it."""

    ca_file: Path
    certificate: Certificate


def make_trust(directory: Path) -> Trust:
    """Both of them, in `directory`."""
    authority = make_authority(directory)
    return Trust(authority.file, make_server_certificate(authority, directory, HOSTS))


@contextmanager
def internet(trust: Trust, registry: str) -> Iterator[Internet]:
    """Until the block ends, all of HOSTS are `registry` (HOST:PORT), which speaks plain HTTP."""
    with _Proxy(_context(trust.certificate), registry) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            host, port = proxy.server_address[:2]
            yield Internet(f"http://{host!s}:{port}", trust.ca_file)
        finally:
            proxy.shutdown()
            thread.join()


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    return context


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext, registry: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.context = context
        host, _, port = registry.rpartition(":")
        self.upstream = (host, int(port))


class _Connection(socketserver.BaseRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        connection: socket.socket = self.request
        connection.settimeout(PATIENCE)
        with suppress(OSError):
            if self._is_known(connection):
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                with (
                    self.server.context.wrap_socket(connection, server_side=True) as client,
                    socket.create_connection(self.server.upstream, PATIENCE) as upstream,
                ):
                    _relay(client, upstream)

    @staticmethod
    def _is_known(connection: socket.socket) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
            head += byte
        method, target, *_ = head.decode("latin-1").split(" ")
        if method == "CONNECT" and target.removesuffix(":443") in HOSTS:
            return True
        connection.sendall(f"HTTP/1.1 502 {target} is not among HOSTS of tests/docs\r\n\r\n".encode())
        return False


def _relay(client: ssl.SSLSocket, upstream: socket.socket) -> None:
    """Bytes in both directions, until one side ends."""
    other: dict[socket.socket, socket.socket] = {client: upstream, upstream: client}
    while True:
        # What TLS has decrypted already is not seen by select.
        ready = [client] if client.pending() else select.select([client, upstream], [], [], PATIENCE)[0]
        for side in ready:
            data = side.recv(1 << 16)
            if not data:
                return
            other[side].sendall(data)
        if not ready:
            return
