"""What the script can do to a connection: cut, reset, stalled, early, lost, or not HTTP at all."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from . import (
    BLOBS,
    MIB,
    SESSIONS,
    Ending,
    FakeRegistry,
    Rule,
    digest_of,
)
from .raw_client import Client, with_digest

DATA = bytes(range(256)) * 1024
DIGEST = digest_of(DATA)
BLOB = f"/v2/app/blobs/{DIGEST}"
START = "/v2/app/blobs/uploads/"
LARGE = b"x" * (3 * MIB)


@pytest.mark.parametrize("framed", [lambda rule: rule, lambda rule: rule.chunked()], ids=["length", "chunked"])
def test_a_reply_that_is_cut(fake_registry: FakeRegistry, framed: Callable[[Rule], Rule]) -> None:
    fake_registry.add_blob("app", DATA)
    framed(fake_registry.on("GET", BLOBS)).cut_response(70_000)
    with Client(fake_registry) as client, pytest.raises(http.client.IncompleteRead) as caught:
        client.call("GET", BLOB)
    assert DATA[:70_000].startswith(caught.value.partial)
    assert fake_registry.requests("GET", BLOBS)[0].outcome == "cut"


def test_a_reply_that_is_reset(fake_registry: FakeRegistry) -> None:
    fake_registry.add_blob("app", DATA)
    fake_registry.on("GET", BLOBS).cut_response(70_000, reset=True)
    got = bytearray()

    def read() -> None:
        with httpx.Client(trust_env=False) as client, client.stream("GET", fake_registry.url + BLOB) as answer:
            for piece in answer.iter_raw():
                got.extend(piece)

    with pytest.raises(httpx.ReadError):
        read()
    assert got == DATA[:70_000]


def test_an_upload_that_is_reset(fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS).reset_after(2 * MIB)
    with Client(fake_registry) as client:
        location = client.follow(client.call("POST", START, b""), START)
        with pytest.raises(ConnectionError):
            client.call("PUT", with_digest(location, DIGEST), LARGE)
    (record,) = fake_registry.wait_for(1, "PUT", SESSIONS, outcome="reset")
    assert (record.status, record.body_length, record.body) == (None, 2 * MIB, None)
    with Client(fake_registry) as client:
        assert client.upload("app", LARGE, digest_of(LARGE)).status == 201


def test_a_reply_that_is_lost_after_the_work_was_done(fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS).hang_up()
    with Client(fake_registry) as client, pytest.raises(http.client.RemoteDisconnected):
        client.upload("app", DATA, DIGEST)
    assert fake_registry.blob("app", DIGEST) == DATA


@pytest.mark.parametrize("ending", [Ending.CLOSE, Ending.KEEP])
def test_an_early_reply(fake_registry: FakeRegistry, ending: Ending) -> None:
    fake_registry.on("PUT", SESSIONS).early_reply(413, body=b"too much", after=1000, ending=ending)
    with Client(fake_registry) as client:
        answer = client.upload("app", LARGE, digest_of(LARGE))
        assert (answer.status, answer.body) == (413, b"too much")
        assert answer["Connection"] == ("close" if ending is Ending.CLOSE else None)
        assert client.call("HEAD", BLOB).status == 404
    assert fake_registry.connections == (2 if ending is Ending.CLOSE else 1)


def test_expect_continue_is_answered_and_an_early_reply_spares_the_body(fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS).early_reply(401, ending=Ending.KEEP)
    with Client(fake_registry) as client:
        location = client.follow(client.call("POST", START, b""), START)
        expecting = {"Expect": "100-continue", "Content-Length": "5"}
        assert client.call("PUT", location, headers=expecting).status == 401
        assert client.call("GET", "/v2/").status == 200


@pytest.mark.parametrize("before_body", [True, False])
def test_a_delay_until_an_event(fake_registry: FakeRegistry, before_body: bool) -> None:
    go = threading.Event()
    fake_registry.on("GET", "/v2/").delay(go, before_body=before_body)
    with Client(fake_registry) as held, Client(fake_registry) as free, ThreadPoolExecutor(1) as pool:
        reply = pool.submit(held.call, "GET", "/v2/")
        fake_registry.wait_for(1, "GET", "/v2/")
        assert free.call("GET", "/v2/").status == 200
        assert not reply.done()
        go.set()
        assert reply.result(10).status == 200


def test_a_stall_in_the_body(fake_registry: FakeRegistry) -> None:
    go = threading.Event()
    fake_registry.add_blob("app", DATA)
    fake_registry.on("GET", BLOBS).stall_response(1000, go)
    with httpx.Client(trust_env=False) as client, client.stream("GET", fake_registry.url + BLOB) as answer:
        pieces = answer.iter_raw()
        got = b""
        while len(got) < 1000:
            got += next(pieces)
        assert got == DATA[:1000]
        go.set()
        assert got + b"".join(pieces) == DATA


def test_closing_the_registry_ends_every_wait() -> None:
    with FakeRegistry() as registry, ThreadPoolExecutor(3) as pool:
        registry.add_blob("app", DATA)
        registry.on("HEAD", BLOBS).delay(threading.Event())
        registry.on("GET", BLOBS).stall_response(10, threading.Event())
        registry.on("GET", "/v2/").delay(600.0)
        calls = [("HEAD", BLOB), ("GET", BLOB), ("GET", "/v2/")]
        clients = [Client(registry) for _ in calls]
        futures = [pool.submit(client.call, *call) for client, call in zip(clients, calls, strict=True)]
        registry.wait_for(3)
        started = time.monotonic()
        registry.close()
        assert time.monotonic() - started < 5
        for future, client in zip(futures, clients, strict=True):
            assert future.exception(10) is None or isinstance(future.exception(), (OSError, http.client.HTTPException))
            client.__exit__(None, None, None)


def test_a_kept_connection_that_is_closed_quietly(fake_registry: FakeRegistry) -> None:
    fake_registry.on("GET", "/v2/").close_quietly()
    with Client(fake_registry) as client:
        answer = client.call("GET", "/v2/")
        assert (answer.status, answer["Connection"]) == (200, None)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            client.call("GET", "/v2/")
        assert client.call("GET", "/v2/").status == 200


def test_bytes_that_are_not_http(fake_registry: FakeRegistry) -> None:
    fake_registry.on("GET", "/v2/").raw(b"SSH-2.0-surprise\r\n")
    with Client(fake_registry) as client, pytest.raises(http.client.BadStatusLine):
        client.call("GET", "/v2/")
