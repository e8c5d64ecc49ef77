"""A served layout, and a client that sends exactly what it is told and believes nothing."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

OCI = "application/vnd.oci.image"
MANIFEST, INDEX, CONFIG, LAYER = (
    f"{OCI}.manifest.v1+json",
    f"{OCI}.index.v1+json",
    f"{OCI}.config.v1+json",
    f"{OCI}.layer.v1.tar",
)
EMPTY = "application/vnd.oci.empty.v1+json"
MIB = 1 << 20


class Serving(Protocol):
    """A server that runs, in this process or another."""

    @property
    def url(self) -> str: ...


@dataclass(frozen=True)
class Reply:
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """The error codes, in the form of the specification."""
        document = self.json()
        assert list(document) == ["errors"]
        for error in document["errors"]:
            assert set(error) <= {"code", "message", "detail"}
            assert error["message"]
        return [error["code"] for error in document["errors"]]


class Client:
    """One connection, used for one request after the other and opened anew where the server closed it."""

    def __init__(self, server: Serving, timeout: float = 20.0) -> None:
        parts = urlsplit(server.url)
        self.host = parts.netloc
        self._connection = http.client.HTTPConnection(self.host, timeout=timeout)

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        **headers: str,
    ) -> Reply:
        """`content_type="..."` is the header Content-Type; an iterable body is sent in chunks."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        is_chunked = body is not None and not isinstance(body, bytes)
        if is_chunked:
            names["Transfer-Encoding"] = "chunked"
        self._connection.request(method, path, body, names, encode_chunked=is_chunked)
        reply = self._connection.getresponse()
        return Reply(reply.status, {name.lower(): text for name, text in reply.getheaders()}, reply.read())

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    # What most tests do on the way to their point.

    def begin(self, repository: str = "app") -> str:
        """The location of a new upload."""
        reply = self("POST", f"/v2/{repository}/blobs/uploads/")
        assert reply.status == 202
        return reply.headers["location"]

    def push_blob(self, data: bytes, repository: str = "app", algorithm: str = "sha256") -> str:
        digest = digest_of(data, algorithm)
        reply = self("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data)
        assert reply.status == 201, reply
        return digest

    def push_manifest(self, document: Mapping[str, Any], reference: str | None = None, repository: str = "app") -> str:
        raw = encoded(document)
        digest = digest_of(raw)
        path = f"/v2/{repository}/manifests/{quote(reference or digest)}"
        reply = self("PUT", path, raw, content_type=document["mediaType"])
        assert reply.status == 201, reply.body
        return digest

    def push_image(
        self, *layers: bytes, tag: str | None = None, repository: str = "app", **fields: Any
    ) -> dict[str, Any]:
        """Pushes an image; its descriptor."""
        document = image(*layers, **fields)
        for data in (b"{}", *layers):
            self.push_blob(data, repository)
        self.push_manifest(document, tag, repository)
        return descriptor_of(encoded(document), MANIFEST)


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()


def descriptor_of(data: bytes, media_type: str, **fields: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **fields}


def image(*layers: bytes, **fields: Any) -> dict[str, Any]:
    """An artifact of these layers with the empty config; `fields` are further members of its manifest."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example",
        "config": descriptor_of(b"{}", EMPTY),
        "layers": [descriptor_of(layer, LAYER) for layer in layers],
        **fields,
    }


def index(*manifests: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests), **fields}


def random_bytes(size: int, seed: int = 0) -> bytes:
    """Bytes that do not repeat; equal seeds give equal bytes."""
    return hashlib.shake_128(f"{size} {seed}".encode()).digest(size)


def listed(layout: Path) -> list[tuple[str | None, str]]:
    """What index.json lists: the name (or, without one, the tag) and the digest."""
    manifests = json.loads((layout / "index.json").read_bytes())["manifests"]
    names = [manifest.get("annotations", {}) for manifest in manifests]
    found = [
        (name.get("io.containerd.image.name", name.get("org.opencontainers.image.ref.name")), manifest["digest"])
        for name, manifest in zip(names, manifests, strict=True)
    ]
    return sorted(found, key=str)


def temporary_files(layout: Path) -> list[str]:
    return [str(path.relative_to(layout)) for path in layout.rglob("*.tmp")]
