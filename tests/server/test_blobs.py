"""Blobs: every way in that distribution-spec and its conformance tests know, ranges out, mounts and deletes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.support import (
    MIB,
    Client,
    digest_of,
    random_bytes,
    temporary_files,
)

ALGORITHMS = ("sha256", "sha512")
ABSENT = digest_of(b"absent")

# A way to push `data` as the blob `digest`: gives the status of the last request, and stops where one fails.
Push = Callable[[Client, bytes, str], int]


def post_only(client: Client, data: bytes, digest: str) -> int:
    return client("POST", f"/v2/app/blobs/uploads/?digest={digest}", data).status


def post_and_put(client: Client, data: bytes, digest: str) -> int:
    return client("PUT", f"{client.begin()}?digest={digest}", data, content_type="application/octet-stream").status


def put_in_chunked_encoding(client: Client, data: bytes, digest: str) -> int:
    return client("PUT", f"{client.begin()}?digest={digest}", iter([data[:7], data[7:]] if data else [])).status


def stream(client: Client, data: bytes, digest: str) -> int:
    """As docker and podman do: one PATCH without Content-Range, in chunked encoding."""
    reply = client("PATCH", client.begin(), iter([data[:100], data[100:]] if data else []))
    assert reply.status == 202
    assert reply.headers["range"] == f"0-{max(0, len(data) - 1)}"
    return client("PUT", f"{reply.headers['location']}?digest={digest}", b"").status


def chunks(client: Client, data: bytes, digest: str, *, size: int = 0, last_in_put: bool = False) -> int:
    location, size = client.begin(), size or max(1, len(data))
    starts = range(0, len(data), size)
    for start in starts[: -1 if last_in_put else None]:
        chunk = data[start : start + size]
        reply = client("PATCH", location, chunk, content_range=f"{start}-{start + len(chunk) - 1}")
        assert (reply.status, reply.headers["range"]) == (202, f"0-{start + len(chunk) - 1}")
        location = reply.headers["location"]
    if last_in_put:
        rest = data[starts[-1] :]
        between = f"{starts[-1]}-{len(data) - 1}"
        return client("PUT", f"{location}?digest={digest}", rest, content_range=between).status
    return client("PUT", f"{location}?digest={digest}").status


def three_chunks(client: Client, data: bytes, digest: str) -> int:
    return chunks(client, data, digest, size=len(data) // 3 + 1)


def three_chunks_the_last_in_put(client: Client, data: bytes, digest: str) -> int:
    return chunks(client, data, digest, size=len(data) // 3 + 1, last_in_put=True)


WAYS: list[Push] = [
    post_only, post_and_put, put_in_chunked_encoding, stream, chunks, three_chunks, three_chunks_the_last_in_put,
]  # fmt: skip


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_in(client: Client, layout: Path, way: Push, algorithm: str) -> None:
    data = random_bytes(2_500_000)
    digest = digest_of(data, algorithm)
    path = f"/v2/app/blobs/{digest}"
    assert client("HEAD", path).status == client("GET", path).status == 404
    assert way(client, data, digest) == 201
    head, got = client("HEAD", path), client("GET", path)
    assert head.status == got.status == 200
    assert got.body == data
    for reply in (head, got):
        assert reply.headers["content-length"] == str(len(data))
        assert reply.headers["docker-content-digest"] == digest
        assert reply.headers["content-type"] == "application/octet-stream"
    assert (layout / "blobs" / algorithm / digest.partition(":")[2]).read_bytes() == data
    assert client("DELETE", path).status == 202
    assert client("HEAD", path).status == client("DELETE", path).status == 404
    assert temporary_files(layout) == []


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_wrong_digest_is_found_out_whichever_way(client: Client, layout: Path, way: Push) -> None:
    digest = digest_of(b"something else")
    assert way(client, random_bytes(1000), digest) == 400
    assert client("HEAD", f"/v2/app/blobs/{digest}").status == 404
    assert temporary_files(layout) == []


@pytest.mark.parametrize("data", [b"", b"{}"])
@pytest.mark.parametrize("way", WAYS[:5], ids=lambda way: way.__name__)
def test_tiny_blobs(client: Client, way: Push, data: bytes) -> None:
    assert way(client, data, digest_of(data)) == 201
    assert client("GET", f"/v2/app/blobs/{digest_of(data)}").body == data


def test_where_a_blob_went_is_a_path_that_can_be_pulled(client: Client) -> None:
    data = b"somewhere"
    reply = client("POST", f"/v2/a/b/c/blobs/uploads/?digest={digest_of(data)}", data)
    assert reply.headers["docker-content-digest"] == digest_of(data)
    assert client("GET", reply.headers["location"]).body == data


def test_the_algorithm_can_be_announced(client: Client) -> None:
    location = client("POST", "/v2/app/blobs/uploads/?digest-algorithm=sha512").headers["location"]
    client("PATCH", location, b"data")
    assert client("PUT", f"{location}?digest={digest_of(b'data', 'sha512')}").status == 201
    assert client("POST", "/v2/app/blobs/uploads/?digest-algorithm=md5").codes == ["DIGEST_INVALID"]


def test_a_push_in_good_order_may_be_asked_how_far_it_is(client: Client) -> None:
    location = client.begin()
    for expected, chunk in (("0-0", b""), ("0-2", b"abc"), ("0-5", b"def")):
        if chunk:
            client("PATCH", location, chunk)
        reply = client("GET", location)
        assert reply.status == 204
        assert reply.headers["range"] == expected
        assert reply.headers["location"] == location
        assert "content-length" not in reply.headers
    assert client("PUT", f"{location}?digest={digest_of(b'abcdef')}").status == 201


@pytest.mark.parametrize("content_range", ["1-3", "5-7", "0-2", "4-6", "x", "bytes 3-5/6", "5-3", "3"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_chunk_out_of_order_is_refused_and_the_upload_goes_on(
    client: Client, method: str, content_range: str
) -> None:
    location, digest = client.begin(), digest_of(b"abcdef")
    assert client("PATCH", location, b"abc", content_range="0-2").status == 202
    target = location if method == "PATCH" else f"{location}?digest={digest}"
    reply = client(method, target, b"xyz", content_range=content_range)
    assert reply.status == 416
    assert reply.headers["range"] == client("GET", location).headers["range"] == "0-2"
    assert reply.headers["location"] == location
    assert client(method, target, b"def", content_range="3-5").status in (201, 202)
    if method == "PATCH":
        assert client("PUT", f"{location}?digest={digest}").status == 201
    assert client("GET", f"/v2/app/blobs/{digest}").body == b"abcdef"


def test_a_chunk_whose_length_is_not_that_of_its_range(client: Client) -> None:
    location = client.begin()
    reply = client("PATCH", location, b"abc", content_range="0-9")
    assert reply.status == 400
    assert reply.codes == ["SIZE_INVALID"]


def test_an_upload_can_be_cancelled(client: Client, layout: Path) -> None:
    location = client.begin()
    client("PATCH", location, b"abc")
    assert len(temporary_files(layout)) == 1
    assert client("DELETE", location).status == 204
    assert temporary_files(layout) == []
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        reply = client(method, location, b"" if method != "GET" else None)
        assert reply.status == 404
        assert reply.codes == ["BLOB_UPLOAD_UNKNOWN"]


@pytest.mark.parametrize(
    "digest", ["", "?digest=", "?digest=sha256:abc", "?digest=md5:0123", "?digest=blake3:" + "0" * 64]
)
def test_closing_needs_a_digest_that_can_be_verified(client: Client, digest: str) -> None:
    reply = client("PUT", f"{client.begin()}{digest}", b"abc")
    assert reply.status == 400
    assert reply.codes == ["DIGEST_INVALID"]


def test_an_upload_belongs_to_its_repository(client: Client) -> None:
    location = client.begin("one")
    assert client("GET", location.replace("/one/", "/two/")).codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert client("GET", location).status == 204


@pytest.mark.parametrize(
    ("header", "first", "stop"),
    [("bytes=500-1499", 500, 1500), ("bytes=500-", 500, 2048), ("bytes=-500", 1548, 2048), ("bytes=2000-5000", 2000, 2048),
     ("bytes=0-0", 0, 1), ("bytes=-9999", 0, 2048)],
)  # fmt: skip
def test_a_part_of_a_blob(client: Client, header: str, first: int, stop: int) -> None:
    data = random_bytes(2048)
    path = f"/v2/app/blobs/{client.push_blob(data)}"
    reply = client("GET", path, range=header)
    assert reply.status == 206
    assert reply.body == data[first:stop]
    assert reply.headers["content-range"] == f"bytes {first}-{stop - 1}/2048"
    assert client("HEAD", path, range=header).headers["content-length"] == "2048"


@pytest.mark.parametrize("header", ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"])
def test_a_part_that_is_not_there(client: Client, header: str) -> None:
    path = f"/v2/app/blobs/{client.push_blob(random_bytes(2048))}"
    reply = client("GET", path, range=header)
    assert reply.status == 416
    assert reply.headers["content-range"] == "bytes */2048"
    assert client("GET", path).status == 200, "the connection is still good"


def test_several_parts_at_once_are_answered_with_all(client: Client) -> None:
    path = f"/v2/app/blobs/{client.push_blob(b'abcdef')}"
    reply = client("GET", path, range="bytes=0-1,3-4")
    assert (reply.status, reply.body) == (200, b"abcdef")


def test_repositories_see_their_own_blobs_only_until_they_are_mounted(client: Client) -> None:
    digest = client.push_blob(b"shared", "one")
    assert client("HEAD", f"/v2/two/blobs/{digest}").status == 404
    reply = client("POST", f"/v2/two/blobs/uploads/?mount={digest}&from=one")
    assert reply.status == 201
    assert reply.headers["docker-content-digest"] == digest
    assert client("GET", reply.headers["location"]).body == b"shared"


def test_a_mount_need_not_say_from_where(client: Client) -> None:
    digest = client.push_blob(b"shared", "one")
    assert client("POST", f"/v2/two/blobs/uploads/?mount={digest}").status == 201
    assert client("HEAD", f"/v2/two/blobs/{digest}").status == 200


@pytest.mark.parametrize(
    "query", [f"mount={ABSENT}&from=one", f"mount={ABSENT}", "mount=nonsense&from=one", "mount=&from=", "from=one"]
)
def test_what_cannot_be_mounted_is_an_upload(client: Client, query: str) -> None:
    client.push_blob(b"shared", "one")
    reply = client("POST", f"/v2/two/blobs/uploads/?{query}")
    assert reply.status == 202
    digest = digest_of(b"sent after all")
    assert client("PUT", f"{reply.headers['location']}?digest={digest}", b"sent after all").status == 201


def test_a_blob_is_not_mounted_from_where_it_is_not(client: Client) -> None:
    digest = client.push_blob(b"shared", "one")
    assert client("POST", f"/v2/two/blobs/uploads/?mount={digest}&from=three").status == 202


def test_deleting_a_blob_leaves_the_other_repositories_theirs(client: Client, layout: Path) -> None:
    data = b"shared"
    client.push_image(data, tag="1", repository="one")
    client.push_image(data, tag="1", repository="two")
    path = f"/v2/one/blobs/{digest_of(data)}"
    assert client("DELETE", path).status == 202
    assert client("HEAD", path).status == 404
    assert client("GET", path.replace("one", "two")).body == data
    assert client("DELETE", path.replace("one", "two")).status == 202
    assert not (layout / "blobs/sha256" / digest_of(data)[7:]).exists()


def test_a_manifest_is_not_deleted_as_a_blob(client: Client) -> None:
    digest = client.push_image(tag="1")["digest"]
    assert client("DELETE", f"/v2/app/blobs/{digest}").codes == ["BLOB_UNKNOWN"]
    assert client("GET", "/v2/app/manifests/1").status == 200


@pytest.mark.parametrize("digest", ["sha256:abc", "latest", "sha256:" + "A" * 64, "..%2F..%2Findex.json", "md5:abcdef"])
def test_a_blob_is_named_by_its_digest(client: Client, digest: str) -> None:
    for method in ("GET", "DELETE"):
        reply = client(method, f"/v2/app/blobs/{digest}")
        assert reply.status in (400, 404)
        assert reply.codes[0] in ("DIGEST_INVALID", "UNSUPPORTED")


def test_a_link_in_the_place_of_a_blob_is_not_followed(client: Client, layout: Path, tmp_path: Path) -> None:
    digest = client.push_blob(b"linked")
    secret = tmp_path / "secret"
    secret.write_bytes(b"linked")
    file = layout / "blobs/sha256" / digest[7:]
    file.unlink()
    file.symlink_to(secret)
    assert client("GET", f"/v2/app/blobs/{digest}").codes == ["BLOB_UNKNOWN"]


def test_bodies_that_nobody_reads_do_no_harm(client: Client) -> None:
    for size in (1, 100_000, 3 * MIB):
        assert client("PATCH", "/v2/app/blobs/uploads/none", bytes(size)).codes == ["BLOB_UPLOAD_UNKNOWN"]
        assert client("GET", "/v2/").status == 200
