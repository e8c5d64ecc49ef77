"""HTTP over real sockets: what goes out, what comes back, and what is said when nothing does."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ocibuild.errors import UsageError
from ocibuild.registry.exchange import (
    Body,
    Reply,
    Request,
    Timeouts,
    Trouble,
    UnreachableError,
    body_of,
    read_at_most,
)
from ocibuild.registry.transport import HttpTransport, tls_context
from tests.fake_registry import FakeRegistry, Recorder
from tests.fake_registry.fixtures import Run, Tls
from tests.peers.certificates import make_authority, make_server_certificate, make_signing_certificate
from tests.registry.support import blob_of

Open = Callable[..., HttpTransport]


@pytest.fixture
def new_transport() -> Iterator[Open]:
    with ExitStack() as stack:

        def new(timeouts: Timeouts | None = None, tls: ssl.SSLContext | None = None) -> HttpTransport:
            return stack.enter_context(
                closing(HttpTransport(timeouts or Timeouts(), tls or tls_context(), connections=4))
            )

        yield new


@pytest.fixture
def transport(new_transport: Open) -> HttpTransport:
    return new_transport()


def fetch(transport: HttpTransport, request: Request) -> tuple[int, bytes]:
    reply = transport.send(request)
    with closing(reply):
        return reply.status, read_at_most(reply, 1 << 30)


def failure(transport: HttpTransport, request: Request) -> UnreachableError:
    with pytest.raises(UnreachableError) as caught:
        fetch(transport, request)
    return caught.value


@pytest.mark.parametrize(
    "target",
    [
        "/v2/?_state=a%2Bb%3D%3d&x=1",
        '/v2/?q=[1]|{2}^3`4"5<6>7',
        "/v2/a%2fb/?x=%zz&&=&",
        "/v2/?a?b",
        "/v2//x/",
        "/v2/?sig=a+b%20c",
    ],
)
def test_a_target_goes_out_byte_for_byte(recorder: Recorder, transport: HttpTransport, target: str) -> None:
    fetch(transport, Request("GET", recorder.url + target))
    assert [record.target for record in recorder.requests()] == [target]


def test_no_cookie_comes_back(recorder: Recorder, transport: HttpTransport) -> None:
    recorder.quirk("*", "*").cookie("sid=1; Path=/").cookie("other=2")
    for _ in range(3):
        fetch(transport, Request("GET", f"{recorder.url}/v2/"))
    assert not recorder.saw_header("Cookie")


def test_content_is_asked_for_and_taken_as_it_is_stored(recorder: Recorder, transport: HttpTransport) -> None:
    stored = bytes.fromhex("1f8b08000000000002ff4b040043beb7e801000000")
    recorder.on("GET", "*").respond(200, {"Content-Encoding": "gzip"}, stored)
    assert fetch(transport, Request("GET", f"{recorder.url}/x")) == (200, stored)
    assert [record.headers.get("Accept-Encoding") for record in recorder.requests()] == ["identity"]


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_a_body_is_sent_with_its_length_and_can_be_sent_again(
    recorder: Recorder, transport: HttpTransport, size: int
) -> None:
    blob = blob_of(size)
    request = Request("PUT", f"{recorder.url}/x", body=Body(size, blob.open))
    for _ in range(2):
        fetch(transport, request)
    for record in recorder.requests():
        assert record.headers.all("Content-Length") == [str(size)]
        assert "Transfer-Encoding" not in record.headers
        assert record.body_digest == (blob.digest if size else "")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_no_body_has_length_zero(recorder: Recorder, transport: HttpTransport, method: str) -> None:
    fetch(transport, Request(method, f"{recorder.url}/x"))
    assert recorder.requests()[0].headers.all("Content-Length") == ["0"]


def test_an_error_of_the_source_is_not_taken_for_one_of_the_network(
    recorder: Recorder, transport: HttpTransport
) -> None:
    def vanish() -> Iterator[bytes]:
        yield b"1234"
        raise FileNotFoundError("layer.tar")

    with pytest.raises(FileNotFoundError):
        transport.send(Request("PUT", f"{recorder.url}/x", body=Body(8, vanish)))


def test_an_early_refusal_of_a_large_body_is_heard(recorder: Recorder, transport: HttpTransport) -> None:
    recorder.on("PUT", "*").early_reply(413, body=b"too large")
    blob = blob_of(8_000_000)
    assert fetch(transport, Request("PUT", f"{recorder.url}/x", body=Body(len(blob.data), blob.open)))[0] == 413


def test_a_reply_that_breaks_off_is_no_reply(recorder: Recorder, transport: HttpTransport) -> None:
    recorder.on("GET", "*").respond(200, body=b"x" * 1000).cut_response(500)
    problem = failure(transport, Request("GET", f"{recorder.url}/x"))
    assert (problem.trouble, problem.sent) == (Trouble.BROKEN, True)


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_ends_without_a_reply(recorder: Recorder, transport: HttpTransport, reset: bool) -> None:
    recorder.on("GET", "*").hang_up(reset=reset)
    assert failure(transport, Request("GET", f"{recorder.url}/x")).trouble is Trouble.BROKEN


def test_bytes_that_are_not_http(recorder: Recorder, transport: HttpTransport) -> None:
    recorder.on("GET", "*").raw(b"SSH-2.0-OpenSSH_9.2\r\n")
    assert failure(transport, Request("GET", f"{recorder.url}/x")).trouble is Trouble.BROKEN


def test_silence_has_a_limit_and_a_commit_a_longer_one(recorder: Recorder, new_transport: Open) -> None:
    transport = new_transport(Timeouts(connect=1, stall=0.2, commit=30))
    held = threading.Event()
    recorder.on("GET", "*").delay(held)
    problem = failure(transport, Request("GET", f"{recorder.url}/x"))
    assert (problem.trouble, problem.sent) == (Trouble.TIMEOUT, True)
    held.set()
    recorder.on("PUT", "*").delay(0.6)
    assert fetch(transport, Request("PUT", f"{recorder.url}/x", body=body_of(b"1"), wait=30))[0] == 500


def test_a_stalled_body_has_a_limit(recorder: Recorder, new_transport: Open) -> None:
    held = threading.Event()
    recorder.on("GET", "*").respond(200, body=b"x" * 1000).stall_response(500, held)
    problem = failure(new_transport(Timeouts(stall=0.2)), Request("GET", f"{recorder.url}/x"))
    held.set()
    assert problem.trouble is Trouble.TIMEOUT


def test_nobody_listens(transport: HttpTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    problem = failure(transport, Request("GET", f"http://127.0.0.1:{port}/"))
    assert (problem.trouble, problem.sent) == (Trouble.REFUSED, False)
    assert "refused" in problem.detail.lower()


def test_a_name_that_does_not_exist(transport: HttpTransport) -> None:
    assert failure(transport, Request("GET", "http://does-not-exist.invalid/")).trouble is Trouble.UNKNOWN_HOST


@pytest.mark.parametrize(("method", "size"), [("GET", 0), ("GET", 60_000), ("HEAD", 60_000), ("PUT", 100)])
def test_a_connection_is_used_again_after_a_reply_that_nobody_read(
    recorder: Recorder, transport: HttpTransport, method: str, size: int
) -> None:
    recorder.on(method, "*", times=None).respond(200, body=b"x" * size)
    for _ in range(3):
        transport.send(Request(method, recorder.url)).close()
    recorder.settle()
    assert recorder.connections == 1


def test_a_long_reply_that_nobody_wants_is_not_read(recorder: Recorder, transport: HttpTransport) -> None:
    held = threading.Event()
    recorder.on("GET", "*").respond(200, body=b"x" * 1_000_000).stall_response(1000, held)
    transport.send(Request("GET", recorder.url)).close()
    held.set()


def test_the_address_is_shown_before_a_byte_is_sent(recorder: Recorder, transport: HttpTransport) -> None:
    shown: list[str] = []

    def refuse(address: str) -> None:
        shown.append(address)
        raise PermissionError("not there")

    with pytest.raises(PermissionError):
        transport.send(Request("GET", f"{recorder.url}/x", admit=refuse))
    recorder.settle()
    assert shown == ["127.0.0.1"]
    assert recorder.requests() == []


def test_it_says_who_it_is(recorder: Recorder, transport: HttpTransport) -> None:
    fetch(transport, Request("GET", recorder.url))
    assert str(recorder.requests()[0].headers.get("User-Agent")).startswith("ocibuild/")


def test_redirects_are_for_the_caller(recorder: Recorder, transport: HttpTransport) -> None:
    recorder.on("GET", "*").redirect(f"{recorder.url}/elsewhere")
    reply = transport.send(Request("GET", f"{recorder.url}/x"))
    with closing(reply):
        assert (reply.status, reply.header("location")) == (307, f"{recorder.url}/elsewhere")


def test_fields_that_come_twice_are_kept_apart(recorder: Recorder, transport: HttpTransport) -> None:
    recorder.on("GET", "*").respond(401).challenge('Basic realm="a, b"').challenge("Negotiate")
    reply: Reply = transport.send(Request("GET", f"{recorder.url}/x"))
    with closing(reply):
        assert reply.header_values("WWW-Authenticate") == ['Basic realm="a, b"', "Negotiate"]
        assert reply.header("X-Absent") is None


def test_a_private_authority_is_trusted_when_named(running: Run, fake_tls: Tls, new_transport: Open) -> None:
    registry = running(FakeRegistry(tls=fake_tls.server))
    url = f"https://localhost:{registry.port}/v2/"
    assert fetch(new_transport(tls=tls_context(str(fake_tls.authority))), Request("GET", url))[0] == 200
    problem = failure(new_transport(), Request("GET", url))
    assert (problem.trouble, problem.sent) == (Trouble.CERTIFICATE, False)
    assert "certificate" in problem.detail


def test_a_certificate_for_another_name_is_refused(running: Run, fake_tls: Tls, new_transport: Open) -> None:
    registry = running(FakeRegistry(tls=fake_tls.server, host="127.0.0.2"))
    transport = new_transport(tls=tls_context(str(fake_tls.authority)))
    assert failure(transport, Request("GET", registry.url)).trouble is Trouble.CERTIFICATE


def test_plain_http_to_a_tls_port_and_the_reverse(running: Run, fake_tls: Tls, recorder: Recorder, transport: HttpTransport) -> None:  # fmt: skip
    registry = running(FakeRegistry(tls=fake_tls.server))
    assert failure(transport, Request("GET", f"http://{registry.host}/v2/")).trouble is Trouble.BROKEN


def test_a_client_certificate_is_shown(running: Run, tmp_path: Path, new_transport: Open) -> None:
    authority = make_authority(tmp_path)
    certificate = make_server_certificate(authority, tmp_path)
    client = make_signing_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.file, certificate.key)
    server.load_verify_locations(client.file)
    server.verify_mode = ssl.CERT_REQUIRED
    registry = running(FakeRegistry(tls=server))
    url = f"https://localhost:{registry.port}/v2/"
    ours = (str(client.file), str(client.key))
    assert fetch(new_transport(tls=tls_context(str(authority.file), ours)), Request("GET", url))[0] == 200
    problem = failure(new_transport(tls=tls_context(str(authority.file))), Request("GET", url))
    assert problem.trouble in (Trouble.TLS, Trouble.BROKEN)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_is_taken_from_the_environment(
    recorder: Recorder, new_transport: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", recorder.url)
    fetch(new_transport(), Request("GET", "http://registry.test/v2/?_state=a%2Bb", admit=pytest.fail))
    assert [record.target for record in recorder.requests()] == ["http://registry.test/v2/?_state=a%2Bb"]


@pytest.mark.usefixtures("no_proxies")
def test_what_runs_on_this_machine_is_not_asked_for_through_a_proxy(
    recorder: Recorder, running: Run, new_transport: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = running(Recorder())
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    transport = new_transport()
    for host in ("127.0.0.1", "localhost"):
        fetch(transport, Request("GET", f"http://{host}:{recorder.port}/"))
    proxy.assert_untouched()


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_an_error_of_usage(
    new_transport: Open, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UsageError, match="proxy"):
        new_transport()
