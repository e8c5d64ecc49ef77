"""The first request to a registry: does it answer, and does it speak TLS?"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ocibuild.oci.reference import DOCKER_HUB
from ocibuild.registry.exchange import Reply, Request, Trouble, UnreachableError
from ocibuild.registry.origin import is_loopback_host
from ocibuild.registry.refusal import refused

_HUB_API = "registry-1.docker.io"
Send = Callable[[Request], tuple[Reply, Request]]


def find_origin(name: str, plain_http: Collection[str], send: Send) -> tuple[str, Reply, Request]:
    """`scheme://host[:port]` of the registry called `name`, with the reply to GET /v2/ there (to be closed).

    TLS it must be, except for hosts in `plain_http`, and for those of this machine where both are usual. RefusedError where the
    registry is busy or broken, UnreachableError where there is none.
    """
    api = _HUB_API if name == DOCKER_HUB else name
    if name not in plain_http and not is_loopback_host(name):
        return _ping(f"https://{api}", send)
    try:
        return _ping(f"http://{api}", send, unless_it_is_tls=name not in plain_http)
    except _SpeaksTlsError:
        return _ping(f"https://{api}", send)


def _ping(origin: str, send: Send, *, unless_it_is_tls: bool = False) -> tuple[str, Reply, Request]:
    # Plain first where both may be: a server that expects TLS says at once that it does not understand.
    try:
        reply, request = send(Request("GET", f"{origin}/v2/"))
    except UnreachableError as problem:
        if unless_it_is_tls and problem.trouble is Trouble.BROKEN:
            raise _SpeaksTlsError from problem
        raise
    if unless_it_is_tls and reply.status == 400:
        reply.close()
        raise _SpeaksTlsError
    if reply.status == 429 or reply.status >= 500:
        raise refused(request.method, request.url, reply)
    return origin, reply, request


class _SpeaksTlsError(Exception):
    """What answered in the clear does not speak HTTP in the clear."""
