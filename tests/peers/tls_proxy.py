"""nginx before a registry: TLS under an authority of our own, and Basic auth, as a reverse proxy in a company has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.certificates import make_authority, make_server_certificate
from tests.peers.docker_registry import PASSWORD, USERNAME, DockerRegistry
from tests.peers.servers import free_port, serving

# One process, in the foreground, all files in one directory. Bodies pass through unlimited and unbuffered, so that
# what a client sees is the registry's behaviour and not that of nginx's temporary files.
SETTINGS = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        client_max_body_size 0;
        location / {{
            auth_basic "registry";
            auth_basic_user_file {directory}/passwords;
            proxy_pass http://{upstream};
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header Authorization "";
            proxy_read_timeout 300s;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class TlsRegistry:
    """A registry behind TLS and Basic auth. `upstream` is the same registry without either.

    `certificates` is a directory that holds nothing but `ca_file`, as `--cert-dir` of skopeo and podman wants it.
    """

    host: str
    ca_file: Path
    certificates: Path
    username: str
    password: str
    upstream: DockerRegistry
    log: Path

    @property
    def credentials(self) -> str:
        """`USER:PASSWORD`, as `--creds` of skopeo and podman takes it."""
        return f"{self.username}:{self.password}"


@contextmanager
def tls_proxy(directory: Path, upstream: DockerRegistry) -> Iterator[TlsRegistry]:
    """Puts nginx before `upstream` until the block ends."""
    port = free_port()
    authority = make_authority(directory)
    server = make_server_certificate(authority, directory)
    certificates = directory / "certificates"
    certificates.mkdir()
    ca_file = certificates / "ca.crt"
    ca_file.write_bytes(authority.file.read_bytes())
    (directory / "passwords").write_text(f"{USERNAME}:{{PLAIN}}{PASSWORD}\n")
    settings = directory / "nginx.conf"
    settings.write_text(
        SETTINGS.format(directory=directory, port=port, certificate=server.file, key=server.key, upstream=upstream.host)
    )
    host = f"localhost:{port}"
    command = ("nginx", "-p", directory, "-c", settings, "-e", "stderr")
    with serving(command, name=f"nginx {host}", port=port, log=directory / "log"):
        yield TlsRegistry(host, ca_file, certificates, USERNAME, PASSWORD, upstream, directory / "access.log")
