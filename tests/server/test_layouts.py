"""What lies in a layout as a registry shows it, and what a push leaves there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.errors import BuildError, StoreError, UsageError
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import parse_digest
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.server.names import names_of
from ocibuild.store.layout import Layout
from tests.server.conftest import NewClient, Serve
from tests.server.support import MANIFEST, Client, digest_of, listed
from tests.store.images import add_image, add_index, blob_file, layer_tar


@pytest.fixture
def built(layout: Path) -> Layout:
    """A layout as `ocibuild build` leaves it, for the server to serve."""
    return Layout.create(layout)


@pytest.fixture
def client(built: Layout, new_client: NewClient) -> Client:
    return new_client()


def digest_at(client: Client, path: str) -> str | None:
    reply = client("HEAD", path)
    return reply.headers["docker-content-digest"] if reply.status == 200 else None


def test_images_are_served_under_their_names_without_the_host(built: Layout, client: Client) -> None:
    picture = add_image(built, layer_tar("a"))
    built.name(picture, reference=parse_reference("ghcr.io/octocat/hello:1.0"))
    assert digest_at(client, "/v2/octocat/hello/manifests/1.0") == str(picture.digest)
    assert client("GET", "/v2/octocat/hello/tags/list").json()["tags"] == ["1.0"]
    manifest = client("GET", f"/v2/octocat/hello/manifests/{picture.digest}").json()
    for blob in (manifest["config"], *manifest["layers"]):
        assert digest_at(client, f"/v2/octocat/hello/blobs/{blob['digest']}") == blob["digest"]


def test_images_without_a_name_are_in_the_repository_layout(built: Layout, client: Client) -> None:
    tagged, untagged = add_image(built, layer_tar("a")), add_image(built, layer_tar("b"))
    built.name(tagged, tag="3.20")
    built.name(untagged)
    assert client("GET", "/v2/_catalog").json()["repositories"] == ["layout"]
    assert client("GET", "/v2/layout/tags/list").json()["tags"] == ["3.20"]
    assert digest_at(client, "/v2/layout/manifests/3.20") == str(tagged.digest)
    assert digest_at(client, f"/v2/layout/manifests/{untagged.digest}") == str(untagged.digest)


def test_what_another_process_builds_is_there_at_once(built: Layout, client: Client) -> None:
    assert client("GET", "/v2/_catalog").json()["repositories"] == []
    index = add_index(built, add_image(built, layer_tar("a")))
    Layout.open(built.path).name(index, reference=parse_reference("ghcr.io/octocat/hello:1.0"))
    assert digest_at(client, "/v2/octocat/hello/manifests/1.0") == str(index.digest)
    child = client("GET", "/v2/octocat/hello/manifests/1.0").json()["manifests"][0]["digest"]
    assert digest_at(client, f"/v2/octocat/hello/manifests/{child}") == child


def test_a_push_does_not_touch_other_hosts_names_but_comes_first(built: Layout, client: Client, layout: Path) -> None:
    theirs = add_image(built, layer_tar("a"))
    built.name(theirs, reference=parse_reference("ghcr.io/octocat/hello:1.0"))
    ours = client.push_image(b"ours", tag="1.0", repository="octocat/hello")["digest"]
    assert digest_at(client, "/v2/octocat/hello/manifests/1.0") == ours
    assert listed(layout) == [("ghcr.io/octocat/hello:1.0", str(theirs.digest)), ("localhost/octocat/hello:1.0", ours)]
    assert digest_at(client, f"/v2/octocat/hello/manifests/{theirs.digest}") == str(theirs.digest)
    assert client("DELETE", "/v2/octocat/hello/manifests/1.0").status == 202
    assert digest_at(client, "/v2/octocat/hello/manifests/1.0") is None
    assert listed(layout) == []


def test_what_is_pushed_is_an_ordinary_image_of_the_layout(client: Client, built: Layout) -> None:
    digest = client.push_image(b"layer", tag="1.0", repository="team/app")["digest"]
    assert str(built.resolve("localhost/team/app:1.0").digest) == digest
    assert [str(entry) for entry in built.entries()] == ["localhost/team/app:1.0"]


def test_what_index_json_says_besides_stays(client: Client, layout: Path) -> None:
    document = json.loads((layout / "index.json").read_bytes())
    document |= {"annotations": {"a": '"manifests":[]'}, "future": [1]}
    (layout / "index.json").write_text(json.dumps(document))
    client.push_image(tag="1")
    after = json.loads((layout / "index.json").read_bytes())
    assert {**after, "manifests": []} == document
    assert list(after) == sorted(after)


def test_layers_that_were_left_in_their_registry_are_missing_with_a_reason(built: Layout, client: Client) -> None:
    picture = add_image(built, layer_tar("base"), layer_tar("app"))
    built.name(picture, reference=parse_reference("ghcr.io/octocat/hello:1.0"))
    base = client("GET", "/v2/octocat/hello/manifests/1.0").json()["layers"][0]["digest"]
    blob_file(built, Descriptor("", parse_digest(base), 0)).unlink()
    for method in ("GET", "HEAD"):
        assert client(method, f"/v2/octocat/hello/blobs/{base}").status == 404
    reply = client("GET", f"/v2/octocat/hello/blobs/{base}")
    assert reply.codes == ["BLOB_UNKNOWN"]
    assert "left in their registry" in reply.json()["errors"][0]["message"]


def test_a_broken_image_hides_no_other(built: Layout, client: Client) -> None:
    broken, whole = add_image(built, layer_tar("a")), add_image(built, layer_tar("b"))
    for tag, picture in (("broken", broken), ("whole", whole)):
        built.name(picture, reference=parse_reference(f"ghcr.io/o/app:{tag}"))
    blob_file(built, broken).unlink()
    assert digest_at(client, "/v2/o/app/manifests/whole") == str(whole.digest)
    assert client("GET", "/v2/o/app/manifests/broken").codes == ["MANIFEST_UNKNOWN"]
    assert client("GET", "/v2/o/app/tags/list").json()["tags"] == ["broken", "whole"]


def test_what_was_pushed_is_there_after_the_next_start(layout: Path) -> None:
    with api.serve(layout, port=0) as server, Client(server) as client:
        tagged, untagged = client.push_image(b"a", tag="1"), client.push_image(b"b")
        client.push_blob(b"nothing names it")
    with api.serve(layout, port=0) as server, Client(server) as client:
        for digest in (tagged["digest"], untagged["digest"]):
            assert digest_at(client, f"/v2/app/manifests/{digest}") == digest
        for layer in (b"a", b"b"):
            assert digest_at(client, f"/v2/app/blobs/{digest_of(layer)}")
        assert client("HEAD", f"/v2/app/blobs/{digest_of(b'nothing names it')}").status == 404


def test_read_only(built: Layout, new_client: NewClient, layout: Path) -> None:
    picture = add_image(built, layer_tar("a"))
    built.name(picture, reference=parse_reference("ghcr.io/o/app:1"))
    before = {str(path): path.stat().st_mtime_ns for path in layout.rglob("*")}
    client = new_client(read_only=True)
    assert digest_at(client, "/v2/o/app/manifests/1") == str(picture.digest)
    refused = [
        ("POST", "/v2/o/app/blobs/uploads/"),
        ("PUT", "/v2/o/app/manifests/2"),
        ("DELETE", "/v2/o/app/manifests/1"),
        ("DELETE", f"/v2/o/app/blobs/{picture.digest}"),
        ("PATCH", "/v2/o/app/blobs/uploads/1"),
    ]
    for method, path in refused:
        reply = client(method, path)
        assert (reply.status, reply.codes) == (405, ["UNSUPPORTED"])
        assert "read-only" in reply.json()["errors"][0]["message"]
    assert {str(path): path.stat().st_mtime_ns for path in layout.rglob("*")} == before


def test_what_cannot_be_served(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    cases = [
        (tmp_path / "missing", {"read_only": True}, StoreError),
        (tmp_path / "other", {}, UsageError),
        (tmp_path / "other", {"read_only": True}, StoreError),
        (tmp_path / "new", {"host": "0.0.0.0"}, UsageError),
        (tmp_path / "new", {"host": "192.0.2.7"}, UsageError),
        (tmp_path / "new", {"host": "registry.example"}, UsageError),
        (tmp_path / "new", {"host": "192.0.2.7", "allow_remote": True}, BuildError),
    ]
    for path, options, error in cases:
        with pytest.raises(error), api.serve(path, port=0, **options):  # type: ignore[arg-type]
            pass


def test_remote_clients_may_be_let_in(new_client: NewClient) -> None:
    client = new_client(host="0.0.0.0", allow_remote=True)
    assert client("GET", "/v2/", Host="registry.example").status == 200


def test_only_one_server_writes_to_a_layout(serve: Serve, layout: Path) -> None:
    serve()
    with pytest.raises(StoreError, match="another server") as caught, api.serve(layout, port=0):
        pass
    assert caught.value.hint
    with api.serve(layout, port=0, read_only=True):
        pass


def test_uploads_of_a_server_that_was_killed_are_removed(layout: Path) -> None:
    with api.serve(layout, port=0):
        pass
    leftover = layout / ".ocibuild-uploads" / "ocibuild-abc.tmp"
    leftover.write_bytes(b"half")
    with api.serve(layout, port=0):
        assert not leftover.exists()


def test_a_full_disk_is_an_error_of_the_server_and_breaks_nothing(new_client: NewClient, layout: Path) -> None:
    notes: list[object] = []
    client = new_client(emit=notes.append)
    client.push_image(b"layer", tag="1")
    uploads = layout / ".ocibuild-uploads"
    moved = uploads.rename(layout / "moved")  # as good as a full disk: no file can be made
    reply = client("POST", "/v2/app/blobs/uploads/")
    assert (reply.status, reply.codes) == (500, ["UNKNOWN"])
    assert len(notes) == 1
    moved.rename(uploads)
    assert client("POST", "/v2/app/blobs/uploads/").status == 202
    assert client("GET", "/v2/app/manifests/1").status == 200


@dataclass(frozen=True)
class Name:
    """One entry of an index.json."""

    text: str | None
    tag: str | None
    descriptor: Descriptor

    @property
    def reference(self) -> Reference | None:
        return parse_reference(self.text) if self.text else None


def test_which_of_several_names_is_served() -> None:
    def named(number: int, text: str | None, tag: str | None) -> Name:
        return Name(text, tag, Descriptor(MANIFEST, parse_digest(digest_of(b"%d" % number)), number))

    names = names_of(
        [
            named(1, "docker.io/o/app:1", "1"),
            named(2, "ghcr.io/o/app:1", "1"),
            named(3, "localhost/o/app:1", "1"),
            named(4, "docker.io/o/app:2", "2"),
            named(5, "quay.io/o/app:2", "2"),
            named(6, None, "bare"),
            named(7, None, "not/a tag"),
            named(8, None, None),
            named(9, "localhost/o/app", None),
        ]
    )
    found = {repository: {tag: one.size for tag, one in tags.items()} for repository, tags in names.tags.items()}
    assert found == {"o/app": {"1": 3, "2": 4}, "layout": {"bare": 6}}
    assert {repository: [one.size for one in roots] for repository, roots in names.roots.items()} == {
        "o/app": [1, 2, 3, 4, 5, 9],
        "layout": [6, 7, 8],
    }
