"""Manifests: in and out by tag and by digest, what is refused, what index.json lists, deletes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.support import (
    INDEX,
    LAYER,
    MANIFEST,
    Client,
    descriptor_of,
    digest_of,
    encoded,
    image,
    index,
    listed,
)

DOCKER = "application/vnd.docker.distribution.manifest"
ABSENT = descriptor_of(b"absent", LAYER)


def put(client: Client, document: dict[str, Any], reference: str = "1", media_type: str | None = None) -> Any:
    kind = media_type if media_type is not None else document["mediaType"]
    return client("PUT", f"/v2/app/manifests/{reference}", encoded(document), content_type=kind)


@pytest.fixture
def layer(client: Client) -> bytes:
    """A layer that is pushed already, as is the empty config."""
    client.push_blob(b"{}")
    client.push_blob(b"layer")
    return b"layer"


def test_a_manifest_comes_back_as_it_went_in(client: Client, layer: bytes) -> None:
    raw = encoded(image(layer)) + b"\n  "
    reply = client("PUT", "/v2/app/manifests/1.0", raw, content_type=f"{MANIFEST}; charset=utf-8")
    assert reply.status == 201
    assert reply.headers["docker-content-digest"] == digest_of(raw)
    for path in ("/v2/app/manifests/1.0", f"/v2/app/manifests/{digest_of(raw)}", reply.headers["location"]):
        got, head = client("GET", path), client("HEAD", path)
        assert (got.status, got.body, head.status, head.body) == (200, raw, 200, b"")
        for each in (got, head):
            assert each.headers["content-type"] == MANIFEST
            assert each.headers["content-length"] == str(len(raw))
            assert each.headers["docker-content-digest"] == digest_of(raw)


CONTENT: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "image": image,
    "no layers": lambda _: image(),
    "unknown members": lambda layer: image(layer, future={"a": [1]}),
    "annotations": lambda layer: image(layer, annotations={"a": "é"}),
    "a large manifest": lambda layer: image(layer, annotations={f"large-{n}": "A" * 10_000 for n in range(390)}),
    "a subject that is not there": lambda layer: image(layer, subject=descriptor_of(b"gone", MANIFEST)),
    "embedded data": lambda _: {**image(), "config": {**image()["config"], "data": "e30="}},
    "a foreign layer": lambda _: image(layers=[descriptor_of(b"foreign", LAYER.replace("tar", "nondistributable.v1.tar+gzip").replace(".v1.nondistributable", ".nondistributable"), urls=["https://example.com/x"])]),
    "an empty index": lambda _: index(),
    "an artifact index": lambda _: index(artifactType="application/vnd.example"),
    "docker": lambda layer: {**image(layer), "mediaType": f"{DOCKER}.v2+json"},
    "a docker list": lambda _: {**index(), "mediaType": f"{DOCKER}.list.v2+json"},
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTENT)
def test_content_of_many_kinds(client: Client, layer: bytes, kind: str) -> None:
    document = CONTENT[kind](layer)
    assert put(client, document).status == 201
    reply = client("GET", "/v2/app/manifests/1")
    assert reply.body == encoded(document)
    assert reply.headers["content-type"] == document["mediaType"]


def test_a_document_without_a_media_type_is_what_its_header_says(client: Client, layer: bytes) -> None:
    document = image(layer)
    del document["mediaType"]
    assert put(client, document, media_type=MANIFEST).status == 201
    assert client("GET", "/v2/app/manifests/1").headers["content-type"] == MANIFEST


def test_an_index_of_an_index(client: Client, layer: bytes) -> None:
    child = client.push_image(layer)
    inner = index(child)
    client.push_manifest(inner)
    outer = index(descriptor_of(encoded(inner), INDEX))
    client.push_manifest(outer, "nested")
    assert client("GET", "/v2/app/manifests/nested").body == encoded(outer)


def test_an_index_of_manifests_with_sha512_digests(client: Client, layer: bytes) -> None:
    raw = encoded(image(layer))
    child = {**descriptor_of(raw, MANIFEST), "digest": digest_of(raw, "sha512")}
    assert put(client, index(child)).codes == ["MANIFEST_BLOB_UNKNOWN"]
    assert put(client, image(layer), child["digest"]).status == 201
    assert put(client, index(child)).status == 201
    assert client("GET", f"/v2/app/manifests/{child['digest']}").body == raw


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_by_digest_with_tags(client: Client, layer: bytes, layout: Path, algorithm: str) -> None:
    raw = encoded(image(layer))
    digest = digest_of(raw, algorithm)
    path = f"/v2/app/manifests/{digest}"
    reply = client("PUT", f"{path}?tag=b&tag=a&tag=b", raw, content_type=MANIFEST)
    assert reply.status == 201
    assert reply.headers["oci-tag"] == "b, a"
    assert reply.headers["docker-content-digest"] == digest
    for name in ("a", "b", digest):
        got = client("GET", f"/v2/app/manifests/{name}")
        assert (got.body, got.headers["docker-content-digest"]) == (raw, digest)
    assert listed(layout) == [("localhost/app:a", digest), ("localhost/app:b", digest)]


def test_tags_in_the_query_do_not_count_beside_a_tag(client: Client, layer: bytes, layout: Path) -> None:
    reply = client("PUT", "/v2/app/manifests/1?tag=2", encoded(image(layer)), content_type=MANIFEST)
    assert reply.status == 201
    assert "oci-tag" not in reply.headers
    assert [name for name, _ in listed(layout)] == ["localhost/app:1"]


@pytest.mark.parametrize(
    ("document", "media_type", "status", "code"),
    [
        (image(), INDEX, 400, "MANIFEST_INVALID"),
        (image(), "application/json", 400, "MANIFEST_INVALID"),
        ({**image(), "manifests": []}, MANIFEST, 400, "MANIFEST_INVALID"),
        ({**index(), "layers": []}, INDEX, 400, "MANIFEST_INVALID"),
        ({**image(), "schemaVersion": 1}, MANIFEST, 400, "MANIFEST_INVALID"),
        ({**image(), "config": {"digest": "sha256:../../etc"}}, MANIFEST, 400, "MANIFEST_INVALID"),
        ({**image(), "config": {**image()["config"], "size": 3}}, MANIFEST, 400, "MANIFEST_INVALID"),
        ({**image(), "config": {**image()["config"], "size": -2}}, MANIFEST, 400, "MANIFEST_INVALID"),
        ({"schemaVersion": 2, "mediaType": "application/vnd.oci.artifact.manifest.v1+json"}, "", 400, "MANIFEST_INVALID"),
        (image(b"absent"), MANIFEST, 400, "MANIFEST_BLOB_UNKNOWN"),
        (index(descriptor_of(b"absent", MANIFEST)), INDEX, 400, "MANIFEST_BLOB_UNKNOWN"),
        (image(annotations={"a": "A" * 4_200_000}), MANIFEST, 413, "MANIFEST_INVALID"),
    ],
)  # fmt: skip
def test_what_is_refused(
    client: Client, layer: bytes, layout: Path, document: dict[str, Any], media_type: str, status: int, code: str
) -> None:
    del layer
    reply = put(client, document, media_type=media_type)
    assert (reply.status, reply.codes) == (status, [code])
    assert listed(layout) == []
    assert client("GET", "/v2/app/manifests/1").status == 404


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"schemaVersion":2,"schemaVersion":2}', b"\xff", b"[" * 10_000])
def test_what_is_no_document(client: Client, raw: bytes) -> None:
    reply = client("PUT", "/v2/app/manifests/1", raw, content_type=MANIFEST)
    assert (reply.status, reply.codes) == (400, ["MANIFEST_INVALID"])


def test_a_manifest_that_is_too_large_in_chunked_encoding(client: Client) -> None:
    reply = client("PUT", "/v2/app/manifests/1", iter([bytes(1 << 20)] * 5), content_type=MANIFEST)
    assert reply.status == 413


def test_every_missing_blob_is_named(client: Client, layer: bytes) -> None:
    reply = put(client, image(layer, b"one", b"two"))
    assert reply.codes == ["MANIFEST_BLOB_UNKNOWN"] * 2
    named = [error["detail"]["digest"] for error in reply.json()["errors"]]
    assert named == [digest_of(b"one"), digest_of(b"two")]


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        (digest_of(b"another"), "DIGEST_INVALID"),
        (digest_of(b"another", "sha512"), "DIGEST_INVALID"),
        ("sha256:baddigeststring", "DIGEST_INVALID"),
        ("md5:0123456789", "DIGEST_INVALID"),
        ("-rf", "MANIFEST_INVALID"),
        ("t" * 129, "MANIFEST_INVALID"),
        (digest_of(encoded(image())) + "?tag=-rf", "MANIFEST_INVALID"),
    ],
)
def test_where_a_manifest_cannot_go(client: Client, layer: bytes, reference: str, code: str) -> None:
    del layer
    reply = put(client, image(), reference)
    assert (reply.status, reply.codes) == (400, [code])


def test_what_is_not_there(client: Client, layer: bytes) -> None:
    del layer
    for reference in ("1", digest_of(b"absent"), digest_of(b"layer")):
        for method in ("GET", "DELETE"):
            reply = client(method, f"/v2/app/manifests/{reference}")
            assert (reply.status, reply.codes) == (404, ["MANIFEST_UNKNOWN"])
        assert client("HEAD", f"/v2/app/manifests/{reference}").status == 404
        assert client("GET", f"/v2/other/manifests/{reference}").codes == ["NAME_UNKNOWN"]


def test_a_tag_moves_and_the_old_image_can_still_be_pulled(client: Client, layer: bytes, layout: Path) -> None:
    old = client.push_image(layer, tag="1")
    new = client.push_image(b"new layer", tag="1")
    assert client("HEAD", "/v2/app/manifests/1").headers["docker-content-digest"] == new["digest"]
    assert client("GET", f"/v2/app/manifests/{old['digest']}").status == 200
    assert client("GET", f"/v2/app/blobs/{digest_of(layer)}").body == layer
    assert listed(layout) == [("localhost/app:1", new["digest"])]


def test_a_deleted_tag_leaves_the_manifest(client: Client, layer: bytes, layout: Path) -> None:
    pushed = client.push_image(layer, tag="1")
    client.push_manifest(image(layer), "2")
    assert client("DELETE", "/v2/app/manifests/1").status == 202
    assert client("GET", "/v2/app/manifests/1").status == client("DELETE", "/v2/app/manifests/1").status == 404
    assert client("GET", f"/v2/app/manifests/{pushed['digest']}").status == 200
    assert listed(layout) == [("localhost/app:2", pushed["digest"])]


def test_a_deleted_manifest_takes_its_tags_along(client: Client, layer: bytes, layout: Path) -> None:
    pushed = client.push_image(layer, tag="1")
    client.push_manifest(image(layer), "2")
    client.push_image(layer, tag="1", repository="other")
    assert client("DELETE", f"/v2/app/manifests/{pushed['digest']}").status == 202
    for reference in ("1", "2", pushed["digest"]):
        assert client("GET", f"/v2/app/manifests/{reference}").status == 404
    assert client("DELETE", f"/v2/app/manifests/{pushed['digest']}").status == 404
    assert client("GET", "/v2/other/manifests/1").status == 200
    assert listed(layout) == [("localhost/other:1", pushed["digest"])]
    client.push_manifest(image(layer), "1")
    assert client("GET", f"/v2/app/manifests/{pushed['digest']}").status == 200


def test_a_manifest_without_a_tag_is_listed_until_something_leads_to_it(
    client: Client, layer: bytes, layout: Path
) -> None:
    child = client.push_image(layer)
    assert listed(layout) == [("localhost/app", child["digest"])]
    document = index(child)
    digest = client.push_manifest(document)
    assert listed(layout) == [("localhost/app", digest)]
    client.push_manifest(document, "1")
    client.push_manifest(document)
    assert listed(layout) == [("localhost/app:1", digest)]


def test_a_child_that_was_deleted_is_back_with_its_index(client: Client, layer: bytes) -> None:
    child = client.push_image(layer)
    client.push_manifest(index(child), "1")
    assert client("DELETE", f"/v2/app/manifests/{child['digest']}").status == 202
    assert client("GET", f"/v2/app/manifests/{child['digest']}").status == 404
    client.push_manifest(index(child), "1")
    assert client("GET", f"/v2/app/manifests/{child['digest']}").status == 200


def test_pushing_the_same_again_changes_nothing(client: Client, layer: bytes, layout: Path) -> None:
    client.push_image(layer, tag="1")
    client.push_image(layer, b"untagged")
    before = (layout / "index.json").stat().st_mtime_ns
    client.push_image(layer, tag="1")
    client.push_image(layer, b"untagged")
    assert (layout / "index.json").stat().st_mtime_ns == before


def test_a_damaged_manifest_is_not_given_out(client: Client, layer: bytes, layout: Path) -> None:
    pushed = client.push_image(layer, tag="1")
    file = layout / "blobs/sha256" / pushed["digest"][7:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b"2", b"3", 1))
    assert client("GET", "/v2/app/manifests/1").status == 500
    client.push_image(layer, tag="1")
    assert client("GET", "/v2/app/manifests/1").status == 200
