"""Connections as sockets have them: kept, cut, slow, many."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ocibuild import api
from ocibuild.server.connection import Limits
from ocibuild.server.service import Server, serving
from ocibuild.store.served_layout import ServedLayout
from tests.peers.servers import wait_until
from tests.server.support import MIB, Client, digest_of, random_bytes, temporary_files

LIMITS = Limits(idle=20, head=20, stall=20, linger=1)
ServeWith = Callable[[Limits], Server]


@pytest.fixture
def serve_with(layout: Path) -> Iterator[ServeWith]:
    """Serves the layout under other limits."""
    with ExitStack() as stack:

        def serve(limits: Limits) -> Server:
            storage = ServedLayout.create(layout)
            stack.enter_context(storage.receiving())
            return stack.enter_context(serving(storage, host="127.0.0.1", port=0, limits=limits))

        yield serve


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    parts = urlsplit(server.url)
    assert parts.hostname
    assert parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    received = bytearray()
    with suppress(ConnectionResetError):
        while piece := connection.recv(MIB):
            received += piece
    return bytes(received)


def open_connections() -> int:
    return [thread.name for thread in threading.enumerate()].count("registry connection")


def talk(server: Server, sent: bytes) -> bytes:
    """What comes back until the server closes the connection, which it is asked to."""
    with connected(server) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return read_to_end(connection)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d+) ", received, re.MULTILINE)]


GET = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_one_request_after_the_other_without_waiting(serve_with: ServeWith) -> None:
    post = b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    head = GET.replace(b"GET", b"HEAD")
    assert statuses(talk(serve_with(LIMITS), GET + post + head + GET)) == [200, 202, 200, 200]


@pytest.mark.parametrize("request_", [GET.replace(b"1.1", b"1.0"), GET[:-2] + b"Connection: close\r\n\r\n"])
def test_a_client_that_wants_no_more_gets_no_more(serve_with: ServeWith, request_: bytes) -> None:
    received = talk(serve_with(LIMITS), request_ + GET)
    assert statuses(received) == [200]
    assert b"\r\nConnection: close\r\n" in received


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (GET[:-2] + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (GET[:-2] + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (GET[:-2] + b"X: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (GET.replace(b"/v2/", b"/%ff"), 400),
        (GET.replace(b"GET", b"BREW"), 405),
        (GET.replace(b"/v2/", b"/v2/../../etc/passwd"), 404),
    ],
)
def test_what_is_no_request(serve_with: ServeWith, sent: bytes, status: int) -> None:
    received = talk(serve_with(LIMITS), sent)
    assert statuses(received) == [status]
    assert b'{"errors":[{"code":"UNSUPPORTED"' in received


PARTS = [b"GET ", b"PUT ", b"POST ", b"PATCH ", b"DELETE ", b"HEAD ", b"/v2/", b"a/blobs/uploads/", b"?digest=", b"sha256:" + b"0" * 64,
         b" HTTP/1.1\r\n", b"Host: localhost\r\n", b"Content-Length: ", b"5", b"\r\n", b"\r\n\r\n", b"Transfer-Encoding: chunked\r\n",
         b"0\r\n\r\n", b"%", b"\xff", b"\0", b"Range: bytes=1-\r\n", b"_catalog", b"tags/list?n=", b"manifests/1",
         b"Expect: 100-continue\r\n"]  # fmt: skip


def test_no_bytes_do_harm(layout: Path) -> None:
    random.seed(0)
    notes: list[object] = []
    with api.serve(layout, port=0, emit=notes.append) as server:
        for _ in range(300):
            talk(server, b"".join(random.choices(PARTS, k=random.randrange(1, 40))))
        assert statuses(talk(server, GET)) == [200]
        wait_until(lambda: open_connections() == 0, "all connections are closed")
    assert notes == []
    assert temporary_files(layout) == []


def test_a_client_that_tries_tls_first_need_not_wait(serve_with: ServeWith) -> None:
    with connected(serve_with(LIMITS)) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        connection.settimeout(5)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_continue_is_said_when_the_body_is_wanted_and_not_before(serve_with: ServeWith) -> None:
    server = serve_with(LIMITS)
    with Client(server) as client:
        location = client.begin()
    head = "PATCH {} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with connected(server) as connection:
        connection.sendall(head.format(location).encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc" + GET[:-2] + b"Connection: close\r\n\r\n")
        assert statuses(read_to_end(connection)) == [202, 200]
    with connected(server) as connection:
        connection.sendall(head.format(location + "0").encode())
        received = read_to_end(connection)
    assert statuses(received) == [404]
    assert b"Connection: close" in received


def test_the_answer_arrives_although_a_large_body_is_not_wanted(serve_with: ServeWith) -> None:
    server = serve_with(LIMITS)
    size = 30 * MIB
    head = f"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    with connected(server) as connection:
        connection.sendall(head.encode() + bytes(size))
        assert statuses(read_to_end(connection)) == [413]


@contextmanager
def upload_that_stands_still(server: Server, layout: Path) -> Iterator[tuple[socket.socket, str]]:
    """A connection on which half of a body was sent, and the location of the upload."""
    with Client(server) as client:
        location = client.begin()
    head = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {8 * MIB}\r\n\r\n"
    with connected(server) as connection:
        connection.sendall(head.encode() + random_bytes(4 * MIB))
        wait_until(lambda: file_sizes(layout) == [4 * MIB], "half of the body is on the disk")
        yield connection, location


def file_sizes(layout: Path) -> list[int]:
    return [(layout / name).stat().st_size for name in temporary_files(layout)]


@pytest.mark.parametrize("kind", ["end", "reset"])
def test_a_client_that_dies_in_mid_upload_leaves_nothing(serve_with: ServeWith, layout: Path, kind: str) -> None:
    server = serve_with(LIMITS)
    with upload_that_stands_still(server, layout) as (connection, location):
        if kind == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with Client(server) as client:
        assert client("GET", location).codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert temporary_files(layout) == []


def test_a_body_that_stands_still_is_given_up(serve_with: ServeWith, layout: Path) -> None:
    server = serve_with(replace(LIMITS, stall=0.3))
    with upload_that_stands_still(server, layout) as (connection, _):
        received = read_to_end(connection)
    assert statuses(received) == [400]
    assert temporary_files(layout) == []


def test_a_server_that_ends_waits_for_no_client_for_long(layout: Path) -> None:
    storage = ServedLayout.create(layout)
    with ExitStack() as stack:
        with storage.receiving(), serving(storage, host="127.0.0.1", port=0) as server:
            idle = stack.enter_context(connected(server))
            idle.sendall(GET)
            assert idle.recv(1000)
            stack.enter_context(upload_that_stands_still(server, layout))
            started = time.monotonic()
        assert time.monotonic() - started < 10
        assert temporary_files(layout) == []
        assert open_connections() == 0


def test_a_head_that_drips_is_cut_off_in_time(serve_with: ServeWith) -> None:
    server = serve_with(replace(LIMITS, head=0.5))
    with connected(server) as connection:
        started = time.monotonic()
        connection.settimeout(0.05)
        sent = 0
        while time.monotonic() - started < 10:
            try:
                connection.sendall(b"GET /v2/ HTTP/1.1\r\nX: aaaaaaaaaaaa"[sent % 30 : sent % 30 + 1])
                sent += 1
                if not connection.recv(1000):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - started < 5


def test_idle_connections_make_room(serve_with: ServeWith) -> None:
    server = serve_with(replace(LIMITS, connections=3))
    with ExitStack() as stack:
        for _ in range(12):
            connection = stack.enter_context(connected(server))
            connection.sendall(GET)
            assert statuses(connection.recv(1000)) == [200]


def test_slow_heads_hold_up_the_others_only_so_long(serve_with: ServeWith) -> None:
    server = serve_with(replace(LIMITS, connections=3, head=0.5))
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(connected(server)).sendall(b"GET /v2/ HT")
        assert statuses(talk(server, GET)) == [200]


def test_clients_that_do_not_read_hold_up_nobody(serve_with: ServeWith) -> None:
    server = serve_with(replace(LIMITS, stall=0.5))
    with Client(server) as client, ExitStack() as stack:
        digest = client.push_blob(random_bytes(32 * MIB))
        greedy = [stack.enter_context(connected(server)) for _ in range(5)]
        for connection in greedy:
            connection.sendall(GET.replace(b"/v2/", f"/v2/app/blobs/{digest}".encode()))
        assert client("GET", f"/v2/app/blobs/{digest}").body == random_bytes(32 * MIB)
        wait_until(lambda: open_connections() == 1, "all but the one that reads are cut off")
        for connection in greedy:  # what is cut off never looks complete
            assert len(read_to_end(connection)) < 32 * MIB


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:5000"}, 200),
        ({"Host": "localhost:5000"}, 200),
        ({"Host": "registry.localhost:5000"}, 200),
        ({"Host": "[::1]:5000"}, 200),
        ({"Host": "attacker.example"}, 403),
        ({"Host": "127.0.0.1.attacker.example:5000"}, 403),
        ({"Host": "192.0.2.1"}, 403),
        ({"Host": "localhost", "Origin": "https://attacker.example"}, 403),
    ],
)
def test_web_pages_are_not_answered(client: Client, headers: dict[str, str], status: int) -> None:
    reply = client("GET", "/v2/", None, **headers)
    assert reply.status == status
    digest = digest_of(b"planted")
    planted = client("POST", f"/v2/app/blobs/uploads/?digest={digest}", b"planted", **headers)
    assert planted.status == (201 if status == 200 else 403)


def test_requests_are_traced(layout: Path) -> None:
    lines: list[str] = []
    storage = ServedLayout.create(layout)
    options: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "read_only": True, "trace": lines.append}
    with serving(storage, **options) as server, Client(server) as client:
        client("GET", "/v2/app/tags/list?n=1")
        client("POST", "/v2/app/blobs/uploads/")
    assert [line.rpartition(" ")[0] for line in lines] == [
        "GET /v2/app/tags/list?n=1 404",
        "POST /v2/app/blobs/uploads/ 405",
    ]
