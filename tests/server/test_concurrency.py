"""Many clients at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ocibuild.oci.reference import parse_reference
from ocibuild.server.service import Server
from ocibuild.store.layout import Layout
from tests.server.conftest import Serve
from tests.server.support import Client, digest_of, listed, random_bytes, temporary_files
from tests.store.images import add_image, layer_tar

SHARED = random_bytes(3_000_000)


def push_some(server: Server, number: int) -> list[str]:
    """Pushes three images, each with a layer of its own and one that everybody pushes at the same time."""
    with Client(server) as client:
        return [
            client.push_image(SHARED, b"%d %d" % (number, turn), tag=f"{number}-{turn}", repository="app")["digest"]
            for turn in range(3)
        ]


def test_pushes_at_once_lose_nothing(serve: Serve, layout: Path) -> None:
    server = serve()
    with ThreadPoolExecutor(8) as pool:
        pushed = list(pool.map(lambda number: push_some(server, number), range(8)))
    expected = {
        f"{number}-{turn}": digest for number, digests in enumerate(pushed) for turn, digest in enumerate(digests)
    }
    with Client(server) as client:
        assert client("GET", "/v2/app/tags/list").json()["tags"] == sorted(expected)
        for tag, digest in expected.items():
            assert client("HEAD", f"/v2/app/manifests/{tag}").headers["docker-content-digest"] == digest
        assert client("GET", f"/v2/app/blobs/{digest_of(SHARED)}").body == SHARED
    assert listed(layout) == sorted((f"localhost/app:{tag}", digest) for tag, digest in expected.items())
    assert temporary_files(layout) == []


def test_builds_and_pushes_at_once_lose_nothing(serve: Serve, layout: Path) -> None:
    server = serve()

    def build(number: int) -> str:
        beside = Layout.open(layout)
        picture = add_image(beside, layer_tar(str(number)))
        beside.name(picture, reference=parse_reference(f"ghcr.io/o/app:{number}"))
        return str(picture.digest)

    with ThreadPoolExecutor(4) as pool:
        built = [pool.submit(build, number) for number in range(10)]
        pushed = [pool.submit(push_some, server, number) for number in range(4)]
        names = {f"ghcr.io/o/app:{number}": future.result() for number, future in enumerate(built)}
        for number, future in enumerate(pushed):
            names |= {f"localhost/app:{number}-{turn}": digest for turn, digest in enumerate(future.result())}
    assert dict(listed(layout)) == names
    with Client(server) as client:
        assert len(client("GET", "/v2/o/app/tags/list").json()["tags"]) == 10
        assert len(client("GET", "/v2/app/tags/list").json()["tags"]) == 12


def test_readers_of_a_tag_that_moves_see_whole_images(serve: Serve) -> None:
    server = serve()
    with Client(server) as client:
        client.push_image(b"0", tag="latest")

    def pull(_: int) -> bool:
        with Client(server) as client:
            for _ in range(20):
                manifest = client("GET", "/v2/app/manifests/latest").json()
                for blob in (manifest["config"], *manifest["layers"]):
                    if client("GET", f"/v2/app/blobs/{blob['digest']}").status != 200:
                        return False
        return True

    def push(number: int) -> None:
        with Client(server) as client:
            for turn in range(10):
                client.push_image(b"%d %d" % (number, turn), tag="latest")

    with ThreadPoolExecutor(6) as pool:
        pulls = pool.map(pull, range(3))
        list(pool.map(push, range(3)))
        assert all(pulls)
