"""What the script can do to a request or a reply."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from . import (
    ALWAYS,
    BLOBS,
    MIB,
    SESSIONS,
    UPLOADS,
    Contents,
    FakeRegistry,
    Rule,
    absolute,
    digest_of,
    has_query,
    last_segment,
    same_target_on,
)
from .fixtures import Run
from .raw_client import Client, with_digest

DATA = bytes(range(256)) * 1024
DIGEST = digest_of(DATA)
BLOB = f"/v2/app/blobs/{DIGEST}"
START = "/v2/app/blobs/uploads/"
LARGE = b"x" * (3 * MIB)


def test_rules_are_taken_in_order_and_used_up(fake_registry: FakeRegistry) -> None:
    fake_registry.on("GET", BLOBS, times=2).respond(500)
    last = fake_registry.on("GET|HEAD", BLOBS, skip=1, times=1).respond(503, {"X-Why": "second"}, "busy")
    fake_registry.add_blob("app", DATA)
    with Client(fake_registry) as client:
        seen = [client.call("GET", BLOB).status for _ in range(5)]
    assert seen == [500, 500, 200, 503, 200]
    assert (last.hits, fake_registry.script.unused()) == (1, [])


def test_a_rule_for_ever_and_one_for_some_requests(fake_registry: FakeRegistry) -> None:
    waiting = fake_registry.on("POST", UPLOADS, where=has_query("mount")).respond(401)
    fake_registry.on("POST", UPLOADS, times=ALWAYS).respond(429)
    with Client(fake_registry) as client:
        assert [client.call("POST", START, b"").status for _ in range(4)] == [429] * 4
        assert fake_registry.script.unused() == [waiting]
        assert client.call("POST", f"{START}?mount={DIGEST}&from=base", b"").status == 401
    assert fake_registry.open_sessions == 0


def test_quirks_add_up_and_leave_scripted_answers_and_refusals_alone(fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("POST", UPLOADS).status(204)
    fake_registry.quirk("*", "*").cookie("a=1").cookie("b=2")
    fake_registry.on("POST", UPLOADS, skip=1).respond(500)
    with Client(fake_registry) as client:
        first, second = client.call("POST", START, b""), client.call("POST", START, b"")
        missing = client.call("HEAD", BLOB)
    assert (first.status, first.headers.all("Set-Cookie")) == (204, ["a=1", "b=2"])
    assert (second.status, second.headers.all("Set-Cookie")) == (500, [])
    assert missing.status == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PATCH", SESSIONS, 201), ("PATCH", SESSIONS, 204), ("PUT", SESSIONS, 200), ("PUT", SESSIONS, 204)],
)
def test_an_odd_status_for_work_that_is_done(fake_registry: FakeRegistry, method: str, path: str, status: int) -> None:
    rule = fake_registry.on(method, path).status(status)
    with Client(fake_registry) as client:
        patched = client.call("PATCH", client.follow(client.call("POST", START, b""), START), DATA)
        done = client.call("PUT", with_digest(client.follow(patched, START), DIGEST), b"")
    assert status == (patched if method == "PATCH" else done).status
    assert (rule.hits, fake_registry.blob("app", DIGEST)) == (1, DATA)


def lie(rule: Rule) -> Rule:
    return rule.content_digest("sha256:" + "0" * 64).content_type("text/html").header("Content-Range", "bytes 9-9/9")


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (lambda rule: rule.flip_byte(-1), DATA[:-1] + b"\x00"),
        (lambda rule: rule.append_bytes(b"!"), DATA + b"!"),
        (lambda rule: rule.drop_last_bytes(2), DATA[:-2]),
        (lambda rule: rule.replace_body(b"other"), b"other"),
        (lambda rule: rule.gzip_encoding(), DATA),
        (lambda rule: rule.gzip_encoding(compress=True), gzip.compress(DATA, mtime=0)),
        (lambda rule: rule.chunked(), DATA),
        (lambda rule: rule.until_close(), DATA),
        (lie, DATA),
        (lambda rule: rule.content_digest(None), DATA),
    ],
    ids=["flip", "append", "drop", "replace", "gzip label", "gzip", "chunked", "until close", "lies", "no digest"],
)
def test_a_changed_body(fake_registry: FakeRegistry, fault: Callable[[Rule], Rule], body: bytes) -> None:
    fake_registry.add_blob("app", DATA)
    fault(fake_registry.on("GET", BLOBS))
    with Client(fake_registry) as client:
        assert client.call("GET", BLOB).body == body
        assert client.call("GET", BLOB).body == DATA, "the connection is in order, and the fault is used up"


def test_lies_in_fields(fake_registry: FakeRegistry) -> None:
    fake_registry.add_blob("app", DATA)
    lie(fake_registry.on("GET", BLOBS))
    fake_registry.on("GET", BLOBS).content_digest(None).chunked()
    with Client(fake_registry) as client:
        lying, bare = client.call("GET", BLOB), client.call("GET", BLOB)
    assert lying["Docker-Content-Digest"] == "sha256:" + "0" * 64
    assert (lying["Content-Type"], lying["Content-Range"]) == ("text/html", "bytes 9-9/9")
    assert (bare["Docker-Content-Digest"], bare["Content-Length"]) == (None, None)


def test_range_ignored(fake_registry: FakeRegistry) -> None:
    fake_registry.add_blob("app", DATA)
    fake_registry.on("GET", BLOBS).ignoring("Range")
    with Client(fake_registry) as client:
        answers = [client.call("GET", BLOB, headers={"Range": "bytes=5-9"}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 206]
    assert fake_registry.count(where=lambda request: "Range" in request.headers) == 2


def test_a_redirect_to_another_registry(fake_registry: FakeRegistry, running: Run) -> None:
    other = running(FakeRegistry(host="127.0.0.2"))
    other.add_blob("app", DATA)
    fake_registry.on("GET", BLOBS).redirect(same_target_on(other.url), 302)
    with httpx.Client(trust_env=False, follow_redirects=True, headers={"Authorization": "Bearer x"}) as client:
        answer = client.get(fake_registry.url + BLOB)
    assert (answer.content, answer.history[0].status_code) == (DATA, 302)
    assert fake_registry.saw_header("authorization", "Bearer")
    assert not other.saw_header("authorization")
    assert fake_registry.requests()[0].number < other.requests()[0].number


def test_an_upload_that_moves_to_another_port(fake_registry: FakeRegistry, running: Run) -> None:
    contents = Contents()
    first = running(FakeRegistry(contents=contents))
    second = running(FakeRegistry(contents=contents))
    first.on("POST", UPLOADS).location(absolute(second.url))
    with httpx.Client(trust_env=False) as client:
        location = client.post(first.url + START).headers["Location"]
        assert location.startswith(second.url)
        assert client.put(with_digest(location, DIGEST), content=DATA).status_code == 201
    assert first.blob("app", DIGEST) == DATA
    assert second.count("PUT", SESSIONS) == 1


def test_a_location_without_a_slash(fake_registry: FakeRegistry) -> None:
    fake_registry.on("POST", UPLOADS).location(last_segment)
    with Client(fake_registry) as client:
        started = client.call("POST", START, b"")
        assert "/" not in (started["Location"] or "/")
        assert client.call("PUT", with_digest(client.follow(started, START), DIGEST), DATA).status == 201


def test_a_range_that_sticks(fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("PATCH|GET", SESSIONS).stale_range()
    with Client(fake_registry) as client:
        answer, ranges = client.call("POST", START, b""), []
        for start in (0, 100, 200):
            chunk = {"Content-Range": f"{start}-{start + 99}"}
            answer = client.call("PATCH", client.follow(answer, START), DATA[start : start + 100], chunk)
            ranges.append(answer["Range"])
        assert ranges == ["0-99"] * 3
        assert client.call("PUT", with_digest(client.follow(answer, START), digest_of(DATA[:300])), b"").status == 201


def test_retry_after_in_both_forms(fake_registry: FakeRegistry) -> None:
    fake_registry.on("GET", "/v2/").respond(429).retry_after(2)
    fake_registry.on("GET", "/v2/").respond(429).retry_after(timedelta(seconds=2))
    with Client(fake_registry) as client:
        seconds, date = (client.call("GET", "/v2/")["Retry-After"] for _ in range(2))
    assert seconds == "2"
    ahead = parsedate_to_datetime(date or "") - datetime.now(UTC)
    assert timedelta(seconds=1) < ahead <= timedelta(seconds=3)


def test_several_challenges(fake_registry: FakeRegistry) -> None:
    fake_registry.on("GET", "/v2/").respond(401).challenge("Negotiate").challenge('Basic realm="a, b"')
    with Client(fake_registry) as client:
        assert client.call("GET", "/v2/").headers.all("WWW-Authenticate") == ["Negotiate", 'Basic realm="a, b"']


def test_a_hook_between_the_work_and_the_reply(fake_registry: FakeRegistry) -> None:
    sessions: list[int] = []
    fake_registry.on("POST", UPLOADS).call(lambda _: sessions.append(fake_registry.open_sessions))
    with Client(fake_registry) as client:
        client.call("POST", START, b"")
    assert sessions == [1]


def test_head_that_is_not_allowed(fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("HEAD", "/v2/*/manifests/*").respond(405)
    with Client(fake_registry) as client:
        assert client.call("HEAD", "/v2/app/manifests/v1").status == 405
        assert client.call("GET", "/v2/app/manifests/v1").status == 404
