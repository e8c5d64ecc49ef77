"""The honest reading endpoints: blobs by range, manifests by Accept, lists, deletes."""

from __future__ import annotations

import json

import pytest

from . import FakeRegistry, digest_of, image_of, index_of
from .images import as_json, descriptor_of
from .manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from .raw_client import Client

DATA = b"0123456789"
DIGEST = digest_of(DATA)


@pytest.mark.parametrize(
    ("wanted", "status", "body", "shown"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-99", 206, DATA, "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=4-2", 200, DATA, None),
        ("bytes=0-1,3-4", 200, DATA, None),
        ("lines=0-1", 200, DATA, None),
    ],
)
def test_one_range_of_a_blob(
    fake_registry: FakeRegistry, wanted: str, status: int, body: bytes, shown: str | None
) -> None:
    fake_registry.add_blob("app", DATA)
    with Client(fake_registry) as client:
        answer = client.call("GET", f"/v2/app/blobs/{DIGEST}", headers={"Range": wanted})
    assert (answer.status, answer.body, answer["Content-Range"]) == (status, body, shown)


@pytest.mark.parametrize("path", [f"/v2/app/blobs/{DIGEST}", f"/v2/app/manifests/{DIGEST}", "/v2/app/tags/list"])
def test_what_is_missing_is_a_json_404(fake_registry: FakeRegistry, path: str) -> None:
    with Client(fake_registry) as client:
        answer = client.call("GET", path)
    assert answer.status == 404
    assert json.loads(answer.body)["errors"][0]["code"].endswith("_UNKNOWN")


@pytest.mark.parametrize(
    ("accept", "status"),
    [(None, 404), ("*/*", 404), (DOCKER_MANIFEST, 404), (f"{OCI_INDEX}, {OCI_MANIFEST};q=0.5", 200)],
)
def test_manifests_need_an_accept_of_their_type(fake_registry: FakeRegistry, accept: str | None, status: int) -> None:
    image = image_of()
    fake_registry.add_image("app", image, "v1")
    with Client(fake_registry) as client:
        answer = client.call("GET", "/v2/app/manifests/v1", headers={"Accept": accept} if accept else {})
        fake_registry.settings.strict_accept = False
        assert client.call("GET", "/v2/app/manifests/v1").status == 200
    assert answer.status == status
    if status == 200:
        assert (answer.body, answer["Content-Type"]) == (image.manifest, OCI_MANIFEST)
        assert answer["Docker-Content-Digest"] == image.digest


def put(client: Client, reference: str, data: bytes, media_type: str = OCI_MANIFEST) -> tuple[int, list[str]]:
    answer = client.call("PUT", f"/v2/app/manifests/{reference}", data, {"Content-Type": media_type})
    codes = [item["code"] for item in json.loads(answer.body)["errors"]] if answer.body else []
    return answer.status, codes


def test_a_manifest_needs_its_blobs_first(fake_registry: FakeRegistry) -> None:
    image = image_of()
    with Client(fake_registry) as client:
        assert put(client, "v1", image.manifest) == (400, ["MANIFEST_BLOB_UNKNOWN"] * 2)
        for blob in image.blobs:
            client.upload("app", blob, digest_of(blob))
        assert put(client, "v1", image.manifest) == (201, [])
        assert put(client, index_of(image_of(architecture="arm64")).digest, b"{}") == (400, ["DIGEST_INVALID"])
    assert fake_registry.tags("app") == {"v1": image.digest}


def test_an_index_needs_its_children_first(fake_registry: FakeRegistry) -> None:
    index = index_of(image_of(), image_of(architecture="arm64"))
    fake_registry.add_image("app", index.children[0])
    with Client(fake_registry) as client:
        assert put(client, "v1", index.manifest, OCI_INDEX) == (400, ["MANIFEST_BLOB_UNKNOWN"])
        fake_registry.add_image("app", index.children[1])
        assert put(client, index.digest, index.manifest, OCI_INDEX) == (201, [])


@pytest.mark.parametrize(
    ("data", "media_type", "refusal"),
    [
        (b"not json", OCI_MANIFEST, (400, ["MANIFEST_INVALID"])),
        (image_of().manifest, OCI_INDEX, (400, ["MANIFEST_INVALID"])),
        (as_json({"schemaVersion": 2, "layers": [], "manifests": []}), OCI_MANIFEST, (400, ["MANIFEST_INVALID"])),
        (b" " * (4 * 1024 * 1024 + 1), OCI_MANIFEST, (413, ["SIZE_INVALID"])),
    ],
    ids=["not json", "type differs", "both kinds", "too large"],
)
def test_bad_manifests_are_refused(
    fake_registry: FakeRegistry, data: bytes, media_type: str, refusal: tuple[int, list[str]]
) -> None:
    with Client(fake_registry) as client:
        assert put(client, "v1", data, media_type) == refusal


def test_tags_by_pages(fake_registry: FakeRegistry) -> None:
    image = image_of()
    fake_registry.add_image("app", image, *(f"v{number:03}" for number in reversed(range(250))))
    seen: list[str] = []
    target = "/v2/app/tags/list?n=100"
    with Client(fake_registry) as client:
        while target:
            answer = client.call("GET", target)
            seen += json.loads(answer.body)["tags"]
            target = (answer["Link"] or "").partition(">")[0].lstrip("<")
    assert seen == [f"v{number:03}" for number in range(250)]
    assert fake_registry.count("GET", "/v2/app/tags/list") == 3


def test_referrers(fake_registry: FakeRegistry) -> None:
    subject = image_of()
    fake_registry.add_image("app", subject)
    note = image_of(
        architecture="riscv64",
        artifactType="application/vnd.test.note",
        annotations={"a": "b"},
        subject=descriptor_of(subject.manifest, OCI_MANIFEST),
    )
    for blob in note.blobs:
        fake_registry.add_blob("app", blob)
    with Client(fake_registry) as client:
        pushed = client.call("PUT", "/v2/app/manifests/note", note.manifest, {"Content-Type": OCI_MANIFEST})
        listed = client.call("GET", f"/v2/app/referrers/{subject.digest}")
        other = client.call("GET", f"/v2/app/referrers/{subject.digest}?artifactType=x")
        fake_registry.settings.referrers = False
        off = client.call("GET", f"/v2/app/referrers/{subject.digest}")
        again = client.call("PUT", "/v2/app/manifests/note", note.manifest, {"Content-Type": OCI_MANIFEST})
    assert (pushed["OCI-Subject"], again["OCI-Subject"]) == (subject.digest, None)
    (descriptor,) = json.loads(listed.body)["manifests"]
    assert descriptor == {
        **descriptor_of(note.manifest, OCI_MANIFEST),
        "artifactType": "application/vnd.test.note",
        "annotations": {"a": "b"},
    }
    assert (json.loads(other.body)["manifests"], other["OCI-Filters-Applied"]) == ([], "artifactType")
    assert (off.status, off["Content-Type"]) == (404, "text/plain; charset=utf-8")


def test_deletes(fake_registry: FakeRegistry) -> None:
    image = image_of()
    fake_registry.add_image("app", image, "v1", "v2")
    with Client(fake_registry) as client:
        assert client.call("DELETE", "/v2/app/manifests/v1").status == 202
        assert list(fake_registry.tags("app")) == ["v2"]
        assert client.call("DELETE", f"/v2/app/manifests/{image.digest}").status == 202
        assert fake_registry.tags("app") == {}
        assert client.call("DELETE", f"/v2/app/manifests/{image.digest}").status == 404
        fake_registry.settings.deletes = False
        assert client.call("DELETE", f"/v2/app/manifests/{image.digest}").status == 405


def test_conditional_get(fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("app", image_of(), "v1")
    headers = {"Accept": OCI_MANIFEST, "If-None-Match": f'"{image_of().digest}"'}
    with Client(fake_registry) as client:
        answer = client.call("GET", "/v2/app/manifests/v1", headers=headers)
    assert (answer.status, answer.body) == (304, b"")


def test_tags_as_parameters_of_a_push_by_digest(fake_registry: FakeRegistry) -> None:
    image = image_of()
    fake_registry.add_image("app", image)
    target = f"/v2/app/manifests/{image.digest}?tag=v1&tag=v2"
    with Client(fake_registry) as client:
        ignored = client.call("PUT", target, image.manifest, {"Content-Type": OCI_MANIFEST})
        fake_registry.settings.tag_parameter = True
        heeded = client.call("PUT", target, image.manifest, {"Content-Type": OCI_MANIFEST})
    assert (ignored["OCI-Tag"], heeded["OCI-Tag"]) == (None, "v1, v2")
    assert list(fake_registry.tags("app")) == ["v1", "v2"]


def test_links_can_be_absolute_and_the_catalog_has_pages(fake_registry: FakeRegistry) -> None:
    fake_registry.settings.link = "absolute"
    for name in ("a", "b", "c"):
        fake_registry.add_blob(name, b"x")
    with Client(fake_registry) as client:
        answer = client.call("GET", "/v2/_catalog?n=2")
    assert json.loads(answer.body) == {"repositories": ["a", "b"]}
    assert answer["Link"] == f'<{fake_registry.url}/v2/_catalog?last=b&n=2>; rel="next"'
