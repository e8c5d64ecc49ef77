"""Connections, records and the life of a server."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from . import BLOBS, FakeRegistry, Recorder, Reply, Request, digest_of
from .fixtures import Run, Tls
from .raw_client import Client


def test_records_tell_all_about_a_request(fake_registry: FakeRegistry) -> None:
    large = b"x" * (1024 * 1024 + 1)
    with Client(fake_registry) as client:
        client.call("POST", "/v2/app/blobs/uploads/?digest=sha256%3A0&a=b+c", b"abc", {"X-Test": "1"})
        client.call("POST", f"/v2/app/blobs/uploads/?digest={digest_of(large)}", large)
    small, big = fake_registry.requests()
    assert (small.method, small.path, small.query) == ("POST", "/v2/app/blobs/uploads/", "digest=sha256%3A0&a=b+c")
    assert (small.headers.get("x-test"), small.body, small.body_digest) == ("1", b"abc", digest_of(b"abc"))
    assert (small.status, small.outcome, small.connection) == (400, "replied", 1)
    assert (big.status, big.body, big.body_length, big.body_digest) == (201, None, len(large), digest_of(large))
    assert small.number < big.number
    assert small.at <= big.at


def test_records_can_be_asked(fake_registry: FakeRegistry) -> None:
    with Client(fake_registry) as client:
        client.call("GET", "/v2/", headers={"Authorization": "Basic Zm9vOmJhcg=="})
        client.call("HEAD", f"/v2/app/blobs/{digest_of(b'')}")
    assert fake_registry.count() == 2
    assert fake_registry.count("GET|HEAD", status=404) == 1
    assert fake_registry.count(path=BLOBS) == 1
    assert fake_registry.count(where=lambda request: "Authorization" in request.headers) == 1
    assert fake_registry.saw_header("authorization", "Basic")
    assert not fake_registry.saw_header("authorization", "Bearer")
    fake_registry.forget()
    assert fake_registry.requests() == []
    with pytest.raises(TimeoutError, match="0 of 1 requests"):
        fake_registry.wait_for(1, timeout=0.01)


def test_a_percent_encoded_path_is_decoded_and_the_target_kept(fake_registry: FakeRegistry) -> None:
    digest = fake_registry.add_blob("app", b"x")
    with Client(fake_registry) as client:
        assert client.call("GET", f"/v2/app/blobs/{digest.replace(':', '%3A')}").body == b"x"
    (record,) = fake_registry.requests(path=BLOBS)
    assert "%3A" in record.target


def test_many_clients_at_once(fake_registry: FakeRegistry) -> None:
    blobs = [bytes([number]) * 100_000 for number in range(16)]

    def push(data: bytes) -> int:
        with Client(fake_registry) as client:
            return client.upload("app", data, digest_of(data)).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(push, blobs)) == {201}
    assert fake_registry.connections == len(blobs)
    assert len({record.connection for record in fake_registry.requests()}) == len(blobs)


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_other_loopback_addresses(running: Run, host: str) -> None:
    registry = running(FakeRegistry(host=host))
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{registry.url}/v2/").status_code == 200
    assert registry.host == (f"[::1]:{registry.port}" if host == "::1" else f"{host}:{registry.port}")


@pytest.mark.peer("openssl")
def test_https(running: Run, fake_tls: Tls) -> None:
    registry = running(FakeRegistry(tls=fake_tls.server))
    data = b"x" * 1_000_000
    registry.add_blob("app", data)
    registry.on("GET", BLOBS).until_close()
    with httpx.Client(trust_env=False, verify=fake_tls.client()) as client:
        url = f"{registry.url}/v2/app/blobs/{digest_of(data)}"
        assert url.startswith("https://127.0.0.1:")
        assert [client.get(url).content == data for _ in range(2)] == [True, True]
    registry.on("GET", BLOBS).cut_response(10, reset=True)
    with httpx.Client(trust_env=False, verify=fake_tls.client()) as client, pytest.raises(httpx.TransportError):
        client.get(url)


@pytest.mark.peer("openssl")
def test_a_client_that_breaks_off_the_handshake(running: Run, fake_tls: Tls) -> None:
    registry = running(FakeRegistry(tls=fake_tls.server))
    with httpx.Client(trust_env=False) as distrustful, pytest.raises(httpx.ConnectError):
        distrustful.get(registry.url)
    with socket.create_connection(("127.0.0.1", registry.port)):
        registry.settle()
    assert (registry.connections, registry.requests()) == (2, [])


def test_a_client_that_tries_https_on_plain_http(fake_registry: FakeRegistry) -> None:
    with socket.create_connection(("127.0.0.1", fake_registry.port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01\x00\x05hello")
        with contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""
    assert fake_registry.requests() == []


def test_a_client_that_dies_in_the_middle(fake_registry: FakeRegistry) -> None:
    with socket.create_connection(("127.0.0.1", fake_registry.port)) as client:
        client.sendall(b"POST /v2/app/blobs/uploads/ HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
    (record,) = fake_registry.wait_for(1, outcome="client gone")
    assert (record.status, record.body) == (None, b"half")


def test_a_recorder_that_nobody_touched(recorder: Recorder) -> None:
    recorder.assert_untouched()
    with socket.create_connection(("127.0.0.1", recorder.port)), pytest.raises(AssertionError, match="1 connections"):
        recorder.assert_untouched()


def test_a_recorder_answers_and_knows_credentials(recorder: Recorder) -> None:
    with Client(recorder) as client:
        assert client.call("PUT", "/anything?x", b"data").status == 500
        recorder.assert_no_credentials()
        client.call("GET", "/", headers={"authorization": "x"})
    with pytest.raises(AssertionError, match="was sent Authorization"):
        recorder.assert_no_credentials()


def test_a_recorder_as_a_proxy(recorder: Recorder) -> None:
    recorder.status = 200
    with httpx.Client(trust_env=False, proxy=recorder.url) as client:
        assert client.get("http://registry.test/v2/").status_code == 200
    (record,) = recorder.requests()
    assert (record.target, record.path) == ("http://registry.test/v2/", "/v2/")


def test_closing_wakes_idle_connections_and_leaves_no_thread() -> None:
    with FakeRegistry() as registry, Client(registry) as client:
        client.call("GET", "/v2/")
        registry.close()
        assert not [thread for thread in threading.enumerate() if registry.host in thread.name]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", registry.port))


def test_a_mistake_in_a_script_fails_the_test_that_made_it() -> None:
    def broken(_: Request) -> Reply:
        raise RuntimeError("mistake in the script")

    def use() -> None:
        with FakeRegistry() as registry, httpx.Client(trust_env=False) as client:
            registry.on("GET", "/v2/").reply_with(broken)
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(f"{registry.url}/v2/")

    with pytest.raises(RuntimeError, match="mistake in the script"):
        use()
