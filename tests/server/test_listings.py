"""Tags, repositories and referrers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.conftest import NewClient
from tests.server.support import INDEX, MANIFEST, Client, descriptor_of, digest_of, encoded, image, index


def pages(client: Client, path: str, member: str) -> Iterator[list[Any]]:
    """Each page, following Link as RFC 8288 has it."""
    following: str | None = path
    while following:
        reply = client("GET", following)
        assert reply.status == 200
        yield reply.json()[member]
        link = reply.headers.get("link")
        assert link is None or link.endswith('>; rel="next"')
        following = link[1 : link.index(">")] if link else None


@pytest.fixture
def tagged(client: Client) -> Client:
    """A client of a registry with the tags a, b, B, c and 1.0 in `app`."""
    client.push_blob(b"{}")
    for tag in ("b", "a", "c", "B", "1.0"):
        client.push_manifest(image(), tag)
    return client


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["1.0", "B", "a", "b", "c"]),
        ("?n=100", ["1.0", "B", "a", "b", "c"]),
        ("?n=2", ["1.0", "B"]),
        ("?n=0", []),
        ("?last=a", ["b", "c"]),
        ("?last=aa&n=1", ["b"]),
        ("?last=c", []),
        ("?last=zzz&n=5", []),
    ],
)
def test_tags_are_in_order(tagged: Client, query: str, expected: list[str]) -> None:
    reply = tagged("GET", f"/v2/app/tags/list{query}")
    assert reply.json() == {"name": "app", "tags": expected}
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("n", "count"), [(1, 5), (2, 3), (3, 2), (5, 1), (6, 1)])
def test_tags_by_pages(tagged: Client, n: int, count: int) -> None:
    found = list(pages(tagged, f"/v2/app/tags/list?n={n}", "tags"))
    assert len(found) == count
    assert [*chain(*found)] == ["1.0", "B", "a", "b", "c"]


@pytest.mark.parametrize("n", ["-1", "x", "", "1.5", "99999999999999999999"])
def test_a_number_that_is_none(tagged: Client, n: str) -> None:
    assert tagged("GET", f"/v2/app/tags/list?n={n}").codes == ["UNSUPPORTED"]


def test_no_such_repository(tagged: Client) -> None:
    reply = tagged("GET", "/v2/other/tags/list")
    assert (reply.status, reply.codes) == (404, ["NAME_UNKNOWN"])
    assert tagged("HEAD", "/v2/other/tags/list").status == 404


def test_a_repository_without_tags(client: Client) -> None:
    client.push_image()
    assert client("GET", "/v2/app/tags/list").json() == {"name": "app", "tags": []}


def test_the_catalog(client: Client) -> None:
    for repository in ("b", "a/b/c", "a"):
        client.push_image(tag="1", repository=repository)
    assert list(pages(client, "/v2/_catalog?n=2", "repositories")) == [["a", "a/b/c"], ["b"]]
    assert client("GET", "/v2/_catalog").json() == {"repositories": ["a", "a/b/c", "b"]}


def test_ten_thousand_tags(new_client: NewClient, layout: Path) -> None:
    raw = encoded(index())
    tags = [f"v{number:05}" for number in range(10_000)]
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    (blobs / digest_of(raw)[7:]).write_bytes(raw)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    manifests = [
        descriptor_of(raw, INDEX, annotations={"io.containerd.image.name": f"ghcr.io/o/app:{tag}"}) for tag in tags
    ]
    (layout / "index.json").write_bytes(encoded(index(*manifests)))
    client = new_client()
    started = time.monotonic()
    assert [*chain(*pages(client, "/v2/o/app/tags/list?n=100", "tags"))] == tags
    client("PUT", "/v2/o/app/manifests/new", raw, content_type=INDEX)
    assert list(pages(client, "/v2/o/app/tags/list?n=9000", "tags")) == [["new", *tags[:8999]], tags[8999:]]
    assert time.monotonic() - started < 20


# Referrers


def attach(client: Client, subject: dict[str, Any], artifact_type: str, **fields: Any) -> dict[str, Any]:
    """Pushes an artifact with this subject; the descriptor by which it should be listed."""
    document = {**image(), "artifactType": artifact_type, "subject": subject, **fields}
    reply = client("PUT", f"/v2/app/manifests/{digest_of(encoded(document))}", encoded(document), content_type=MANIFEST)
    assert reply.status == 201
    assert reply.headers["oci-subject"] == subject["digest"]
    return descriptor_of(
        encoded(document),
        MANIFEST,
        artifactType=artifact_type,
        **({"annotations": fields["annotations"]} if "annotations" in fields else {}),
    )


def referrers(client: Client, digest: str, query: str = "") -> list[dict[str, Any]]:
    reply = client("GET", f"/v2/app/referrers/{digest}{query}")
    assert reply.status == 200
    assert reply.headers["content-type"] == INDEX
    document = reply.json()
    assert (document["schemaVersion"], document["mediaType"]) == (2, INDEX)
    return sorted(document["manifests"], key=lambda found: str(found["digest"]))


def by_digest(*descriptors: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(descriptors, key=lambda found: str(found["digest"]))


def test_referrers_with_their_types_and_annotations(client: Client) -> None:
    subject = client.push_image(b"layer", tag="1")
    signature = attach(client, subject, "application/vnd.signature", annotations={"a": "b"})
    bom = attach(client, subject, "application/vnd.bom")
    assert referrers(client, subject["digest"]) == by_digest(signature, bom)
    assert referrers(client, signature["digest"]) == []


def test_the_config_type_stands_in_for_a_manifests_artifact_type_and_nothing_for_an_indexs(client: Client) -> None:
    subject = client.push_image(tag="1")
    document = image(subject=subject)
    del document["artifactType"]
    client.push_manifest(document, "old")
    of_index = index(subject=subject)
    client.push_manifest(of_index, "index")
    assert referrers(client, subject["digest"]) == by_digest(
        descriptor_of(encoded(document), MANIFEST, artifactType=document["config"]["mediaType"]),
        descriptor_of(encoded(of_index), INDEX),
    )


def test_the_list_can_be_filtered(client: Client) -> None:
    subject = client.push_image(tag="1")
    wanted = attach(client, subject, "application/vnd.a+json")
    attach(client, subject, "application/vnd.b")
    reply = client("GET", f"/v2/app/referrers/{subject['digest']}?artifactType={quote('application/vnd.a+json', '')}")
    assert reply.headers["oci-filters-applied"] == "artifactType"
    assert reply.json()["manifests"] == [wanted]
    assert "oci-filters-applied" not in client("GET", f"/v2/app/referrers/{subject['digest']}").headers


def test_what_nothing_refers_to_is_no_error(client: Client) -> None:
    assert referrers(client, digest_of(b"nothing")) == []
    reply = client("GET", "/v2/app/referrers/sha256:abc")
    assert (reply.status, reply.codes) == (400, ["DIGEST_INVALID"])


def test_referrers_may_come_before_their_subject_and_go(client: Client) -> None:
    document = image(b"layer")
    subject = descriptor_of(encoded(document), MANIFEST)
    client.push_blob(b"{}")
    signature = attach(client, subject, "application/vnd.signature")
    assert referrers(client, subject["digest"]) == [signature]
    client.push_image(b"layer", tag="1")
    assert referrers(client, subject["digest"]) == [signature]
    assert client("DELETE", f"/v2/app/manifests/{signature['digest']}").status == 202
    assert referrers(client, subject["digest"]) == []


def test_referrers_belong_to_a_repository_and_outlive_the_server(client: Client, layout: Path) -> None:
    subject = client.push_image(tag="1")
    signature = attach(client, subject, "application/vnd.signature")
    assert client("GET", f"/v2/other/referrers/{subject['digest']}").json()["manifests"] == []
    # Nothing but index.json leads to it: that is what the next server goes by.
    names = [manifest["digest"] for manifest in json.loads((layout / "index.json").read_bytes())["manifests"]]
    assert sorted(names) == sorted([subject["digest"], signature["digest"]])


def test_a_list_of_more_than_four_megabytes_comes_in_pages(client: Client) -> None:
    subject = client.push_image(tag="1")
    signatures = [
        attach(client, subject, "application/vnd.a", annotations={"number": str(number), "large": "A" * 1_500_000})
        for number in range(5)
    ]
    path = f"/v2/app/referrers/{subject['digest']}?artifactType=application/vnd.a"
    found = list(pages(client, path, "manifests"))
    assert [len(page) for page in found] == [2, 2, 1]
    assert [*chain(*found)] == by_digest(*signatures)
