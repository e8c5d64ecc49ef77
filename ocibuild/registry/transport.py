"""HTTP/1.1 as a registry client needs it; the only module that knows httpx.

httpx is fenced in because much of what it does for web pages is wrong here: one timeout for all phases, a cookie jar,
decoded bodies, redirects that turn PUT into GET, queries that are rebuilt. A request goes out as it is given, a reply comes
back as it is, and whatever prevents one is an `UnreachableError` of a known kind.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx

from ocibuild import __version__
from ocibuild.errors import UsageError
from ocibuild.registry.exchange import Body, Reply, Request, Timeouts, Trouble, UnreachableError

# Small enough that httpcore's `buffer = buffer[n:]` after a short write copies little, large enough that Python is idle.
_PIECE = 128 * 1024
_KEEP_ALIVE_SECONDS = 30.0
_SHORT = 64 * 1024
_THIS_MACHINE = ("all://localhost", "all://127.0.0.1", "all://[::1]")


class HttpTransport:
    """A pool of connections, safe to use from many threads. Proxies come from the usual variables."""

    def __init__(self, timeouts: Timeouts, tls: ssl.SSLContext, *, connections: int) -> None:
        self._timeouts = timeouts
        self._client = _client(tls, connections)
        self._connections_are_shown = False

    def send(self, request: Request) -> Reply:
        """The reply, with its body still to be read. UnreachableError where none comes."""
        gate = _Gate(request)
        with _translated(request, gate):
            reply = self._client.send(self._build(request, gate), stream=True)
        self._connections_are_shown |= gate.saw_a_connection
        if not self._connections_are_shown:
            # Fail closed: without these events a name that resolves into a private network would go unnoticed.
            reply.close()
            raise RuntimeError("this version of httpcore does not report its connections")
        return _HttpReply(reply, request, gate)

    def close(self) -> None:
        """Give up all connections."""
        self._client.close()

    def _build(self, request: Request, gate: _Gate) -> httpx.Request:
        limits = self._timeouts
        timeout = httpx.Timeout(
            connect=limits.connect, write=limits.stall, read=request.wait or limits.stall, pool=None
        )
        # identity: `Content-Encoding: gzip` over a stored gzip layer would have another size and digest.
        headers = {"Accept-Encoding": "identity", "User-Agent": f"ocibuild/{__version__}", **request.headers}
        if request.body is not None:
            headers["Content-Length"] = str(request.body.length)
        elif request.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
        built = self._client.build_request(
            request.method,
            request.url,
            headers=headers,
            content=None if request.body is None else _pieces(request.body),  # type: ignore[arg-type] # h11 takes any buffer
            timeout=timeout,
            extensions={"trace": gate},
        )
        target = _target_of(request.url)
        if built.url.raw_path != target:
            # httpx escapes some characters that others leave alone, and a Location's query is signed as it stands.
            built.extensions["target"] = target
        return built


def _client(tls: ssl.SSLContext, connections: int) -> httpx.Client:
    try:
        return httpx.Client(
            verify=tls,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            # As Go's clients have it: what runs on this machine is not asked for through a proxy.
            mounts=dict.fromkeys(_THIS_MACHINE),
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=connections, keepalive_expiry=_KEEP_ALIVE_SECONDS
            ),
            timeout=None,  # noqa: S113 - each request has its own
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise UsageError(
            "the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used",
            hint="a proxy is http://HOST:PORT; socks5:// needs the package socksio",
        ) from error


def tls_context(ca_file: str | None = None, client_cert: tuple[str, str | None] | None = None) -> ssl.SSLContext:
    """What to trust: the system's authorities (SSL_CERT_FILE and SSL_CERT_DIR included), and those in `ca_file`.

    `client_cert` is a certificate file and its key file (None: the key is in the same file). OSError for a file that cannot
    be read; ssl.SSLError is one.
    """
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):  # Pythons that were not made for this system
        import certifi

        context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    if client_cert is not None:
        context.load_cert_chain(*client_cert)
    return context


def _target_of(url: str) -> bytes:
    parts = urlsplit(url)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}".encode("ascii")


def _pieces(body: Body) -> Iterator[bytes | memoryview]:
    for chunk in body.open():
        if len(chunk) <= _PIECE:
            yield chunk
        else:
            view = memoryview(chunk)
            yield from (view[start : start + _PIECE] for start in range(0, len(view), _PIECE))


class _Gate:
    """Watches one request on its way (httpcore's trace extension): where it connects to, and whether it was sent."""

    def __init__(self, request: Request) -> None:
        self._admit = request.admit
        self._wanted = (urlsplit(request.url).hostname or "").lower()
        self._connecting_to = ""
        self.saw_a_connection = False
        self.sent = False

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(".connect_tcp.started"):
            self._connecting_to = str(info["host"]).lower()
        elif event.endswith(".connect_tcp.complete"):
            self.saw_a_connection = True
            self._check(info["return_value"])
        elif event.endswith(".send_request_headers.started"):
            self.sent = True

    def _check(self, stream: Any) -> None:
        if self._connecting_to != self._wanted:  # a proxy, which the user chose
            return
        try:
            self._admit(stream.get_extra_info("server_addr")[0])
        except BaseException:
            stream.close()
            raise


class _HttpReply:
    def __init__(self, reply: httpx.Response, request: Request, gate: _Gate) -> None:
        self._reply = reply
        self._request = request
        self._gate = gate
        self._is_begun = False

    @property
    def status(self) -> int:
        return self._reply.status_code

    def header(self, name: str) -> str | None:
        return next(iter(self.header_values(name)), None)

    def header_values(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self._reply.headers.raw if key.lower() == wanted]

    def chunks(self) -> Iterator[bytes]:
        self._is_begun = True
        with _translated(self._request, self._gate):
            yield from self._reply.iter_raw()

    def close(self) -> None:
        # A reply has to be read to its end before its connection can be used again, and a new one costs a TLS handshake.
        with suppress(UnreachableError):
            if not self._is_begun and self._is_short():
                for _ in self.chunks():
                    pass
        self._reply.close()

    def _is_short(self) -> bool:
        length = self.header("Content-Length") or ""
        return (
            self._request.method == "HEAD" or self.status in (204, 304) or (length.isdigit() and int(length) <= _SHORT)
        )


@contextmanager
def _translated(request: Request, gate: _Gate) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        trouble, detail = _diagnose(error)
        raise UnreachableError(trouble, detail, request, sent=gate.sent) from error


_KINDS: tuple[tuple[type[BaseException], Trouble], ...] = (
    (ssl.SSLCertVerificationError, Trouble.CERTIFICATE),
    (ssl.SSLError, Trouble.TLS),
    (socket.gaierror, Trouble.UNKNOWN_HOST),
    (ConnectionRefusedError, Trouble.REFUSED),
    (httpx.ConnectTimeout, Trouble.TIMEOUT),
    (httpx.ConnectError, Trouble.UNREACHABLE),
    (httpx.TimeoutException, Trouble.TIMEOUT),
    (httpx.ProxyError, Trouble.PROXY),
    (httpx.LocalProtocolError, Trouble.MALFORMED),
    (httpx.UnsupportedProtocol, Trouble.MALFORMED),
    (httpx.InvalidURL, Trouble.MALFORMED),
)


def _diagnose(error: BaseException) -> tuple[Trouble, str]:
    """The kind of failure, and the innermost words about it: httpx wraps httpcore wraps socket."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    detail = next((text for link in reversed(chain) if (text := _words(link))), type(error).__name__)
    for kind, trouble in _KINDS:
        if link := next((link for link in chain if isinstance(link, kind)), None):
            # The other side ends the connection over a certificate, and those words would hide what is wrong with it.
            return trouble, _words(link) if trouble is Trouble.CERTIFICATE else detail
    return Trouble.BROKEN, detail


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
