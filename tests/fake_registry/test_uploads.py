"""The honest upload endpoints, against the distribution spec."""

from __future__ import annotations

import pytest

from . import FakeRegistry, digest_of
from .raw_client import Client, with_digest

DATA = bytes(range(256)) * 40
DIGEST = digest_of(DATA)
START = "/v2/team/app/blobs/uploads/"


def test_post_then_put_stores_a_blob(fake_registry: FakeRegistry) -> None:
    with Client(fake_registry) as client:
        stored = client.upload("team/app", DATA, DIGEST)
        head = client.call("HEAD", f"/v2/team/app/blobs/{DIGEST}")
    assert (stored.status, stored["Docker-Content-Digest"]) == (201, DIGEST)
    assert (head.status, head["Content-Length"], head.body) == (200, str(len(DATA)), b"")
    assert fake_registry.blob("team/app", DIGEST) == DATA
    assert fake_registry.open_sessions == 0
    assert fake_registry.connections == 1


def test_one_post_with_a_digest_stores_a_blob(fake_registry: FakeRegistry) -> None:
    with Client(fake_registry) as client:
        assert client.call("POST", f"{START}?digest={DIGEST}", DATA).status == 201
        fake_registry.settings.one_shot = False
        assert client.call("POST", f"{START}?digest={DIGEST}", DATA).status == 202


def test_chunks_in_order_and_the_last_one_in_the_put(fake_registry: FakeRegistry) -> None:
    with Client(fake_registry) as client:
        location = client.follow(client.call("POST", START, b""), START)
        first = client.call("PATCH", location, DATA[:1000], {"Content-Range": "0-999"})
        assert (first.status, first["Range"]) == (202, "0-999")
        location = client.follow(first, START)
        status = client.call("GET", location)
        assert (status.status, status["Range"]) == (204, "0-999")
        last = {"Content-Range": f"1000-{len(DATA) - 1}"}
        assert client.call("PUT", with_digest(location, DIGEST), DATA[1000:], last).status == 201


def test_a_stream_without_a_range(fake_registry: FakeRegistry) -> None:
    with Client(fake_registry) as client:
        location = client.follow(client.call("POST", START, b""), START)
        streamed = client.call("PATCH", location, iter([DATA[:5], DATA[5:]]))
        assert streamed.status == 202
        assert client.call("PUT", with_digest(client.follow(streamed, START), DIGEST)).status == 201
    (record,) = fake_registry.requests("PATCH")
    assert (record.body_length, record.body_digest, record.body) == (len(DATA), DIGEST, DATA)


@pytest.mark.parametrize(
    ("content_range", "status"),
    [("1-1000", 416), ("0-10", 416), ("bytes 0-999/*", 400), ("0-999", 202)],
    ids=["out of order", "length differs", "download form", "right"],
)
def test_content_range_is_checked(fake_registry: FakeRegistry, content_range: str, status: int) -> None:
    with Client(fake_registry) as client:
        location = client.follow(client.call("POST", START, b""), START)
        answer = client.call("PATCH", location, DATA[:1000], {"Content-Range": content_range})
        assert answer.status == status
        if status == 416:
            assert answer["Range"] == "0-0"
            assert client.call("GET", client.follow(answer, START)).status == 204


def test_short_chunks_are_refused_when_a_minimum_is_announced(fake_registry: FakeRegistry) -> None:
    fake_registry.settings.min_chunk = 100
    with Client(fake_registry) as client:
        started = client.call("POST", START, b"")
        assert started["OCI-Chunk-Min-Length"] == "100"
        short = client.call("PATCH", client.follow(started, START), DATA[:99], {"Content-Range": "0-98"})
        more = {"Content-Range": "99-299"}
        assert client.call("PATCH", client.follow(short, START), DATA[99:300], more).status == 416


def test_an_old_location_is_dead(fake_registry: FakeRegistry) -> None:
    with Client(fake_registry) as client:
        location = client.follow(client.call("POST", START, b""), START)
        client.call("PATCH", location, DATA)
        for method in ("PATCH", "PUT", "GET"):
            answer = client.call(method, with_digest(location, DIGEST), b"")
            assert (answer.status, b"BLOB_UPLOAD_INVALID" in answer.body) == (404, True)


@pytest.mark.parametrize("form", ["path", "absolute", "relative"])
def test_locations_keep_an_opaque_query(fake_registry: FakeRegistry, form: str) -> None:
    fake_registry.settings.location = form  # type: ignore[assignment]  # the parameter's type is just str
    fake_registry.settings.opaque_query = "_state={state}==&a=%2Fb%20c+d&empty=&flag"
    fake_registry.settings.exact_query = True
    with Client(fake_registry) as client:
        started = client.call("POST", START, b"")
        shown = started["Location"] or ""
        assert {
            "path": shown.startswith("/v2/"),
            "absolute": shown.startswith("http://"),
            "relative": "/" not in shown.partition("?")[0],
        }[form]
        location = client.follow(started, START)
        assert client.call("PUT", with_digest(location.replace("%20", "+"), DIGEST), DATA).status == 404
        twice = with_digest(with_digest(location, DIGEST), DIGEST)
        assert client.call("PUT", twice, DATA).status == 400
        assert client.call("PUT", with_digest(location, DIGEST), DATA).status == 201


@pytest.mark.parametrize("digest", [digest_of(b"other"), "sha256:short", "blake3:" + "0" * 64, "sha256:../../x"])
def test_a_wrong_digest_is_refused_and_ends_the_session(fake_registry: FakeRegistry, digest: str) -> None:
    with Client(fake_registry) as client:
        refused = client.upload("team/app", DATA, digest)
    assert (refused.status, b"DIGEST_INVALID" in refused.body) == (400, True)
    assert fake_registry.open_sessions == 0


def test_sha512_blobs(fake_registry: FakeRegistry) -> None:
    digest = digest_of(DATA, "sha512")
    with Client(fake_registry) as client:
        assert client.upload("team/app", DATA, digest).status == 201
        assert client.call("GET", f"/v2/team/app/blobs/{digest}").body == DATA


def test_cancel(fake_registry: FakeRegistry) -> None:
    with Client(fake_registry) as client:
        location = client.follow(client.call("POST", START, b""), START)
        assert client.call("DELETE", location).status == 204
        gone = client.call("PUT", with_digest(location, DIGEST), DATA)
    assert (gone.status, b"BLOB_UPLOAD_UNKNOWN" in gone.body) == (404, True)


@pytest.mark.parametrize(
    ("mount", "query", "status"),
    [
        ("from", "from=team/base", 201),
        ("from", "from=team/none", 202),
        ("from", "", 202),
        ("any", "", 201),
        ("off", "from=team/base", 202),
    ],
)
def test_mount(fake_registry: FakeRegistry, mount: str, query: str, status: int) -> None:
    fake_registry.settings.mount = mount  # type: ignore[assignment]  # the parameter's type is just str
    fake_registry.add_blob("team/base", DATA)
    with Client(fake_registry) as client:
        answer = client.call("POST", f"{START}?mount={DIGEST}&{query}", b"")
        head = client.call("HEAD", f"/v2/team/app/blobs/{DIGEST}")
    assert answer.status == status
    assert head.status == (200 if status == 201 else 404), "blobs of one repository do not show in another"
    assert fake_registry.open_sessions == (status == 202)


def test_content_range_and_content_type_can_be_required(fake_registry: FakeRegistry) -> None:
    fake_registry.settings.content_range_required = True
    fake_registry.settings.octet_stream_required = True
    with Client(fake_registry) as client:
        location = client.follow(client.call("POST", START, b""), START)
        assert client.call("PATCH", location, DATA).status == 400
        assert client.call("POST", f"{START}?digest={DIGEST}", DATA).status == 415
        octets = {"Content-Type": "application/octet-stream"}
        assert client.call("POST", f"{START}?digest={DIGEST}", DATA, octets).status == 201
