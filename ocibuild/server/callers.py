"""Who may speak to the server: it has no accounts, so nobody but programs on the machine, unless the operator says so."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from ipaddress import ip_address

from ocibuild.errors import BuildError, UsageError
from ocibuild.server.refusal import Code, refuse


def check_listening_address(host: str, *, allow_remote: bool) -> None:
    """UsageError where others than this machine could reach a server at `host`, and that was not asked for."""
    if not allow_remote and not _is_this_machine(host):
        raise UsageError(
            f"{host} can be reached from other machines, and everybody who reaches this registry may change it",
            hint="listen on 127.0.0.1, or say --allow-remote",
        )


def check_caller(headers: Mapping[str, str]) -> None:
    """Refusal for what a web page makes a browser send here.

    Any page may post to a loopback address, and one whose own name leads there (DNS rebinding) may also read the
    replies. Registry clients send no Origin, and the page's name would stand in Host.
    """
    host = headers.get("host", "localhost")
    if "origin" in headers:
        raise refuse(403, Code.DENIED, "this registry does not answer to web pages")
    if not _is_this_machine(_without_port(host)):
        message = "the request is for another host than this machine; `ocibuild serve --allow-remote` would answer it"
        raise refuse(403, Code.DENIED, message)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).strip("[]")


def _is_this_machine(name: str) -> bool:
    if name.lower() == "localhost" or name.lower().endswith(".localhost"):  # RFC 6761 6.3
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. BuildError where that cannot be."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        # Python adds the address to the system's words; `getaddrinfo` has words of its own.
        words = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise BuildError(
            f"cannot listen at port {port} of {host}: {words}",
            hint="another program may have that port: --port 0 takes a free one",
        ) from error


def url_of(listener: socket.socket) -> str:
    """Where clients reach a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
