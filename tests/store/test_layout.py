from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocibuild.errors import IntegrityError, NotFoundError, OcibuildError, StoreError, UsageError
from ocibuild.oci.blobs import BlobSource, ImageReader, ImageSink, Outcome
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest, sha256
from ocibuild.oci.media_type import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from ocibuild.oci.reference import parse_reference
from ocibuild.store.layout import Layout
from tests.oracles.layouts import read_layout
from tests.store.images import add_image, add_index, blob_file, files_below, layer_tar, overwrite


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def source(raw: bytes, *, descriptor: Descriptor | None = None) -> BlobSource:
    return BlobSource(descriptor or describe(raw, OCI_LAYER), lambda: iter((raw,)))


def test_a_layout_is_a_reader_and_a_sink(layout: Layout) -> None:
    reader: ImageReader = layout
    sink: ImageSink = layout
    image = add_image(layout, layer_tar("a"))
    sink.tag(image, reader.read_manifest(image), "latest")
    assert reader.resolve("latest").digest == image.digest


def test_a_new_layout_is_empty_and_valid(layout: Layout) -> None:
    assert read_layout(layout.path) == []
    assert layout.entries() == []
    assert sorted(path.name for path in layout.path.iterdir()) == [
        ".ocibuild.lock",
        "blobs",
        "index.json",
        "oci-layout",
    ]


def test_an_image_is_what_the_specification_wants(layout: Layout) -> None:
    image = add_image(layout, layer_tar("a"), layer_tar("b"))
    layout.name(image, reference=parse_reference("ghcr.io/o/h:1"))
    (found,) = read_layout(layout.path)
    assert found.digest == str(image.digest)
    assert found.names == ("1",)


def test_opening_what_is_no_layout_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no OCI image layout: it has no oci-layout"):
        Layout.open(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file, and an image layout is a directory") as caught:
        Layout.open(tmp_path / "file")
    assert f"oci-archive:{tmp_path}/file" in str(caught.value.hint)


def test_opening_what_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist") as caught:
        Layout.open(tmp_path / "none")
    assert "ocibuild build -o oci:" in str(caught.value.hint)


@pytest.mark.parametrize("marker", [b'{"imageLayoutVersion":"2.0.0"}', b"{}", b"[]", b"", b'{"a":1,"a":2}'])
def test_another_version_is_refused(layout: Layout, marker: bytes) -> None:
    (layout.path / "oci-layout").write_bytes(marker)
    for method in (Layout.open, Layout.create):
        with pytest.raises(IntegrityError, match="oci-layout"):
            method(layout.path)


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print()")
    with pytest.raises(UsageError, match=r"main\.py") as caught:
        Layout.create(tmp_path)
    assert caught.value.hint == "name a new or an empty directory"
    assert files_below(tmp_path) == {"main.py": b"print()"}


def test_a_layout_cannot_be_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "layout"):
        with pytest.raises(StoreError) as caught:
            Layout.create(path)
        assert caught.value.where == str(path)


@pytest.mark.parametrize("missing", ["oci-layout", "index.json", "blobs"])
def test_a_layout_whose_making_was_cut_short_is_completed(tmp_path: Path, missing: str) -> None:
    layout = Layout.create(tmp_path / "layout")
    path = layout.path / missing
    path.unlink() if path.is_file() else os.removedirs(path / "sha256")
    (layout.path / "ocibuild-x.tmp").touch()
    again = Layout.create(layout.path)
    again.put_bytes(b"abc", OCI_LAYER)
    assert read_layout(layout.path) == []


def test_files_that_other_tools_keep_in_a_layout_stay(layout: Layout) -> None:
    (layout.path / "manifest.json").write_text("[]")
    (layout.path / "theirs.tmp").write_text("")
    os.utime(layout.path / "theirs.tmp", (0, 0))
    Layout.create(layout.path).put_bytes(b"abc", OCI_LAYER)
    assert {"manifest.json", "theirs.tmp"} <= files_below(layout.path).keys()


def test_old_temporary_files_go_when_a_layout_is_opened_for_writing(layout: Layout) -> None:
    for directory in (layout.path, layout.path / "blobs/sha256"):
        (directory / "ocibuild-x.tmp").touch()
        os.utime(directory / "ocibuild-x.tmp", (0, 0))
    Layout.open(layout.path)
    assert "ocibuild-x.tmp" in files_below(layout.path)
    Layout.create(layout.path)
    assert sorted(files_below(layout.path)) == [".ocibuild.lock", "index.json", "oci-layout"]


def test_a_blob_comes_back_in_bounded_chunks(layout: Layout) -> None:
    raw = os.urandom(2_500_000)
    with layout.writer() as blob:
        blob.write(raw[:1_000_000])
        blob.write(memoryview(raw)[1_000_000:])
        blob.commit(sha256(raw))
    chunks = list(layout.open_blob(describe(raw, OCI_LAYER)))
    assert b"".join(chunks) == raw
    assert max(map(len, chunks)) <= 1 << 20


def test_a_blob_can_be_opened_again_and_left_early(layout: Layout) -> None:
    descriptor = layout.put_bytes(bytes(3 << 20), OCI_LAYER)
    first = layout.open_blob(descriptor)
    assert len(next(first)) == 1 << 20
    first.close()  # type: ignore[attr-defined]
    assert sum(map(len, layout.open_blob(descriptor))) == 3 << 20


def test_sha512_is_read_and_written(layout: Layout) -> None:
    raw = b"abc"
    hasher = Digest("sha512", "").hasher()
    hasher.update(raw)
    descriptor = Descriptor(OCI_LAYER, Digest("sha512", hasher.hexdigest()), 3)
    assert layout.put_blob(source(raw, descriptor=descriptor)) is Outcome.SENT
    assert b"".join(layout.open_blob(descriptor)) == raw
    assert blob_file(layout, descriptor).parent.name == "sha512"


def test_a_missing_blob_is_named(layout: Layout) -> None:
    descriptor = describe(b"abc", OCI_LAYER)
    with pytest.raises(NotFoundError, match=str(descriptor.digest)):
        list(layout.open_blob(descriptor))


def edited(path: Path) -> None:
    overwrite(path, b"abd")


def shortened(path: Path) -> None:
    overwrite(path, b"ab")


def lengthened(path: Path) -> None:
    overwrite(path, b"abcd")


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def made_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [edited, shortened, lengthened, linked, piped, made_a_directory]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_blob_is_never_handed_on(layout: Layout, damage: Callable[[Path], None]) -> None:
    descriptor = layout.put_bytes(b"abc", OCI_LAYER)
    damage(blob_file(layout, descriptor))
    with pytest.raises(IntegrityError) as caught:
        list(layout.open_blob(descriptor))
    assert descriptor.digest.encoded in f"{caught.value.what} {caught.value.where}"


@pytest.mark.parametrize("damage", DAMAGES[:-1])
def test_putting_a_blob_mends_a_damaged_one(layout: Layout, damage: Callable[[Path], None]) -> None:
    descriptor = layout.put_bytes(b"abc", OCI_LAYER)
    damage(blob_file(layout, descriptor))
    assert layout.put_blob(source(b"abc")) is Outcome.SENT
    assert b"".join(layout.open_blob(descriptor)) == b"abc"
    assert layout.put_blob(source(b"abc")) is Outcome.EXISTS


def test_a_blob_that_exists_is_not_asked_for(layout: Layout) -> None:
    descriptor = layout.put_bytes(b"abc", OCI_LAYER)

    def never() -> Iterator[bytes]:
        pytest.fail("read without need")

    assert layout.put_blob(BlobSource(descriptor, never)) is Outcome.EXISTS


@pytest.mark.parametrize("raw", [b"abd", b"ab", b"abcd", b""])
def test_a_source_that_is_not_what_it_promises_leaves_nothing(layout: Layout, raw: bytes) -> None:
    before = files_below(layout.path)
    with pytest.raises(IntegrityError):
        layout.put_blob(source(raw, descriptor=describe(b"abc", OCI_LAYER)))
    with pytest.raises(IntegrityError):
        layout.put_manifest(describe(b"abc", OCI_MANIFEST), raw)
    assert files_below(layout.path) == before


def test_a_blob_is_there_only_with_its_size(layout: Layout) -> None:
    descriptor = layout.put_bytes(b"abc", OCI_LAYER)
    assert layout.has_blob(descriptor.digest, 3)
    assert not layout.has_blob(descriptor.digest, 2)
    assert not layout.has_blob(sha256(b"other"), 3)
    linked(blob_file(layout, descriptor))
    assert not layout.has_blob(descriptor.digest, 3)


def test_a_size_beyond_all_memory_is_refused_at_once(layout: Layout) -> None:
    descriptor = replace(layout.put_bytes(b"{}", OCI_MANIFEST), size=2**62)
    for read in (layout.read_manifest, lambda one: list(layout.open_blob(one))):
        with pytest.raises(IntegrityError, match=str(2**62)):
            read(descriptor)


def test_an_index_that_is_a_link_is_not_followed(layout: Layout) -> None:
    (layout.path / "index.json").rename(layout.path / "other.json")
    (layout.path / "index.json").symlink_to("other.json")
    with pytest.raises(IntegrityError, match="symbolic link"):
        layout.entries()


def test_a_layout_without_an_index_is_none(layout: Layout) -> None:
    (layout.path / "index.json").unlink()
    with pytest.raises(StoreError, match=r"it has no index\.json"):
        layout.entries()


def test_a_second_build_takes_the_place_of_the_first(layout: Layout) -> None:
    reference = parse_reference("ghcr.io/o/h")
    first, second, other = (add_image(layout, layer_tar(name)) for name in "abc")
    layout.name(other, tag="latest")
    layout.name(other, reference=parse_reference("ghcr.io/o/x:latest"))
    layout.name(first, reference=reference, tag="latest")
    layout.name(second, reference=reference, tag="latest", annotations={"a": "b"})
    assert [(str(entry), entry.descriptor.digest) for entry in layout.entries()] == [
        ("latest", other.digest),
        ("ghcr.io/o/h:latest", second.digest),
        ("ghcr.io/o/x:latest", other.digest),
    ]
    assert layout.entries()[1].descriptor.annotations["a"] == "b"


def test_an_image_without_a_name_takes_the_place_of_another_one_but_of_no_referrer(layout: Layout) -> None:
    """oras lists referrers without a name."""
    first, second = (add_image(layout, layer_tar(name)) for name in "ab")
    config = layout.put_bytes(b"{}", "application/vnd.oci.empty.v1+json").to_json()
    document = {"schemaVersion": 2, "config": config, "layers": [config], "subject": first.to_json()}
    referrer = layout.put_bytes(encode(document), OCI_MANIFEST)
    listed = {"schemaVersion": 2, "manifests": [first.to_json(), referrer.to_json()]}
    (layout.path / "index.json").write_bytes(encode(listed))
    layout.name(second)
    assert {entry.descriptor.digest for entry in layout.entries()} == {second.digest, referrer.digest}
    assert [each.digest for each in layout.referrers(first.digest)] == [referrer.digest]
    layout.name(referrer)
    assert [entry.descriptor.digest for entry in layout.entries()] == [referrer.digest]


def test_equal_images_give_equal_bytes_whatever_came_first(tmp_path: Path) -> None:
    names, made = ["1", "2", "3"], []
    for order in (names, names[::-1]):
        layout = Layout.create(tmp_path / "".join(order))
        image = add_image(layout, layer_tar("a"))
        for tag in order:
            layout.name(image, reference=parse_reference("ghcr.io/o/h"), tag=tag)
            layout.record_origins({image.digest: parse_reference(f"ghcr.io/o/{tag}")})
        made.append(files_below(layout.path))
    assert made[0] == made[1]


def test_only_what_is_held_can_be_named(layout: Layout) -> None:
    before = files_below(layout.path)
    with pytest.raises(NotFoundError, match="to be named"):
        layout.name(describe(b"abc", OCI_MANIFEST), tag="1")
    assert files_below(layout.path) == before


def test_a_tag_holds_the_manifest_that_it_names(layout: Layout, tmp_path: Path) -> None:
    image = add_image(layout, layer_tar("a"))
    other = Layout.create(tmp_path / "other")
    other.tag(image, layout.read_manifest(image), "1")
    other.tag(image, layout.read_manifest(image), "ghcr.io/o/h:2")
    assert [str(entry) for entry in other.entries()] == ["1", "ghcr.io/o/h:2"]
    assert other.read_manifest(other.resolve("2")) == layout.read_manifest(image)


def test_every_kind_of_name_resolves(layout: Layout) -> None:
    child = add_image(layout, layer_tar("a"))
    index = add_index(layout, child)
    layout.name(index, reference=parse_reference("ghcr.io/o/h:1"))
    for name in (None, "1", "ghcr.io/o/h", "ghcr.io/o/h:1", str(index.digest), f"ghcr.io/o/h@{index.digest}"):
        found = layout.resolve(name)
        assert (found.media_type, found.digest, found.size) == (index.media_type, index.digest, index.size)
    assert layout.resolve(str(child.digest)) == child


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("2", NotFoundError),
        (f"sha256:{'0' * 64}", NotFoundError),
        ("sha256:../../x", UsageError),
        ("sha256:short", UsageError),
        (str(sha256(b"plain bytes")), IntegrityError),
    ],
)
def test_other_names_do_not_resolve(layout: Layout, name: str, kind: type[OcibuildError]) -> None:
    layout.put_bytes(b"plain bytes", OCI_CONFIG)
    layout.name(add_image(layout, layer_tar("a")), tag="1")
    with pytest.raises(kind):
        layout.resolve(name)


def test_origins_are_remembered_once_and_in_order(layout: Layout) -> None:
    here, elsewhere = describe(b"here", OCI_LAYER), describe(b"elsewhere", OCI_LAYER)
    assert layout.blob_origins(here) == ()
    for name in ("ghcr.io/o/z", "docker.io/library/base:1", "ghcr.io/o/z:2"):
        layout.record_origins({here.digest: parse_reference(name)})
    layout.record_origins({elsewhere.digest: parse_reference("ghcr.io/o/y")})
    again = Layout.open(layout.path)
    assert [str(origin) for origin in again.blob_origins(here)] == ["docker.io/library/base", "ghcr.io/o/z"]
    assert [str(origin) for origin in again.blob_origins(elsewhere)] == ["ghcr.io/o/y"]


@pytest.mark.parametrize(
    "raw",
    [b"[]", b'{"x":["ghcr.io/o/h"]}', b'{"sha256:%b":["//"]}' % (b"0" * 64), b'{"sha256:%b":7}' % (b"0" * 64)],
)
def test_malformed_origins_are_refused(layout: Layout, raw: bytes) -> None:
    (layout.path / "ocibuild-origins.json").write_bytes(raw)
    with pytest.raises(IntegrityError, match=r"ocibuild-origins\.json"):
        layout.blob_origins(describe(b"here", OCI_LAYER))
