"""The habits of registries in the field, as far as clients must cope with them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from . import MIB, SESSIONS, BearerAuth, FakeRegistry, digest_of, image_of, profiles
from .images import descriptor_of
from .manifests import OCI_MANIFEST
from .raw_client import Answer, Client, with_digest

DATA = b"0123456789"
DIGEST = digest_of(DATA)
START = "/v2/app/blobs/uploads/"


@pytest.fixture
def client(fake_registry: FakeRegistry) -> Iterator[Client]:
    with Client(fake_registry) as connected:
        yield connected


def start(client: Client) -> str:
    return client.follow(client.call("POST", START, b""), START)


def codes(answer: Answer) -> list[str]:
    return [item["code"] for item in json.loads(answer.body)["errors"]]


def test_ghcr(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.ghcr(fake_registry)
    assert 'scope="repository:user/image:pull"' in (client.call("GET", "/v2/")["WWW-Authenticate"] or "")
    assert client.call("GET", "/token?scope=repository:app:pull").status == 200
    assert codes(client.call("GET", "/token?scope=repository:app:pull,push")) == ["DENIED"]
    assert isinstance(fake_registry.auth, BearerAuth)
    fake_registry.auth = None
    chunk = b"x" * (4 * MIB + 1)
    refused = client.call("PATCH", start(client), chunk, {"Content-Range": f"0-{4 * MIB}"})
    assert (refused.status, b"4.00MiB" in refused.body) == (416, True)
    assert client.call("PATCH", start(client), chunk).status == 202
    fake_registry.add_image("app", image_of(), *(f"v{number}" for number in range(101)))
    tags = client.call("GET", "/v2/app/tags/list")
    assert json.loads(tags.body)["tags"] == [f"v{number}" for number in range(100)]
    assert codes(client.call("DELETE", "/v2/app/manifests/v1")) == ["UNSUPPORTED"]
    assert client.call("GET", f"/v2/app/referrers/{DIGEST}").status == 404


def test_ghcr_throttles_in_the_message_only(fake_registry: FakeRegistry, client: Client) -> None:
    fake_registry.on("GET", "/v2/").reply(profiles.GHCR_THROTTLED)
    fake_registry.on("GET", "/v2/").reply(profiles.GHCR_SECONDARY_LIMIT)
    throttled, limited = client.call("GET", "/v2/"), client.call("GET", "/v2/")
    assert (throttled.status, throttled["Retry-After"]) == (429, None)
    assert "retry-after: 880.092µs, allowed: 44000/minute" in throttled.body.decode()
    assert (limited.status, b"secondary rate limit" in limited.body) == (403, True)


def test_ecr(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.ecr(fake_registry, repositories={"app"})
    fake_registry.auth = None
    location = start(client)
    for first in (0, 5):
        chunk = {"Content-Range": f"{first}-{first + 4}"}
        answer = client.call("PATCH", location, DATA[first : first + 5], chunk)
        assert (answer.status, answer["Range"]) == (201, "0-4")
        location = client.follow(answer, START)
    stored = client.call("PUT", with_digest(location, DIGEST), b"")
    assert (stored.status, stored["Docker-Content-Digest"]) == (201, None)
    assert client.call("GET", "/v2/app/tags/list?n=1001").status == 400
    with pytest.raises(http.client.RemoteDisconnected):
        client.call("POST", "/v2/missing/blobs/uploads/", b"")


def test_dockerhub(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.dockerhub(fake_registry)
    reply = json.loads(client.call("GET", "/token?scope=repository:app:pull").body)
    assert (reply["expires_in"], reply["token"]) == (300, reply["access_token"])
    fake_registry.auth = None
    assert client.call("DELETE", f"/v2/app/manifests/{DIGEST}").status == 405


def test_harbor(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.harbor(fake_registry)
    cookie = client.call("GET", "/v2/")["Set-Cookie"] or ""
    forged = client.call("POST", START, b"", {"Cookie": cookie.partition(";")[0]})
    assert (forged.status, b"CSRF" in forged.body) == (403, True)
    assert client.call("POST", f"{START}?mount={DIGEST}&from=missing", b"").status == 401
    assert client.upload("app", DATA, DIGEST).status == 201


def test_gar(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.gar(fake_registry)
    assert client.call("PATCH", start(client), DATA).status == 405
    assert client.upload("app", DATA, DIGEST).status == 201
    assert fake_registry.count("PATCH", SESSIONS, status=405) == 1


def test_quay(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.quay(fake_registry)
    assert client.call("POST", f"{START}?mount={DIGEST}", b"").status == 405
    odd = image_of(config=descriptor_of(DATA, "application/vnd.test.odd"))
    for image, status in ((odd, 415), (image_of(), 201)):
        for blob in (*image.blobs, DATA):
            fake_registry.add_blob("app", blob)
        pushed = client.call("PUT", "/v2/app/manifests/v1", image.manifest, {"Content-Type": OCI_MANIFEST})
        assert pushed.status == status


def test_registry2(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.registry2(fake_registry)
    location = start(client)
    assert location.startswith(fake_registry.url)
    lenient = client.call("PATCH", location, DATA, {"Content-Range": "500-509"})
    assert lenient.status == 202
    assert client.call("PUT", with_digest(client.follow(lenient, START), DIGEST), b"").status == 201
    assert client.call("POST", f"{START}?digest={DIGEST}", DATA).status == 202
    fake_registry.add_image("app", image_of(), "b", "a")
    assert json.loads(client.call("GET", "/v2/app/tags/list?n=1").body)["tags"] == ["b", "a"]
    assert codes(client.call("DELETE", "/v2/app/manifests/a")) == ["DIGEST_INVALID"]
    sha512 = fake_registry.add_blob("app", DATA, digest_of(DATA, "sha512"))
    assert client.call("HEAD", f"/v2/app/blobs/{sha512}")["Docker-Content-Digest"] == DIGEST
    big = {"Content-Type": OCI_MANIFEST}
    assert codes(client.call("PUT", "/v2/app/manifests/v1", b" " * (5 * MIB), big)) == ["MANIFEST_INVALID"]


def test_registry2_garbles_416(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.registry2(fake_registry)
    data = DATA * 100
    digest = fake_registry.add_blob("app", data)
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.call("GET", f"/v2/app/blobs/{digest}", headers={"Range": "bytes=1000-"})
    assert len(caught.value.partial) == 33


def test_registry2_refuses_layers_with_urls(fake_registry: FakeRegistry, client: Client) -> None:
    profiles.registry2(fake_registry)
    foreign = {**descriptor_of(DATA, "application/vnd.oci.image.layer.v1.tar+gzip"), "urls": ["https://example.com/"]}
    image = image_of(layers=[foreign])
    fake_registry.add_image("other", image)
    answer = client.call("PUT", "/v2/app/manifests/v1", image.manifest, {"Content-Type": OCI_MANIFEST})
    assert (answer.status, codes(answer)) == (500, ["UNKNOWN", "MANIFEST_BLOB_UNKNOWN"])
