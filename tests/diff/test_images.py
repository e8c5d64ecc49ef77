"""diff of images: the same answer wherever they are, and no more read than it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.errors import IntegrityError, UsageError
from ocibuild.events import Stage
from ocibuild.oci.platform import parse_platform
from tests.diff.layers import file, hardlink, tar
from tests.fake_registry import BLOBS, FakeRegistry, digest_of, image_of, index_of, layer_of
from tests.recipes.support import Desk

LOW = layer_of({"etc/base": b"low"})
MIDDLE = layer_of({"app/a": b"1", "app/same": b"same"})
OTHER = layer_of({"app/a": b"22", "app/same": b"same"})
MORE = layer_of({"app/b": b"1"})


def seen(image: api.ImageDifference) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(api.shown_path(change.path), change.status, change.fields) for change in image.files]


def fetched(registry: FakeRegistry) -> list[str]:
    return sorted(record.path.rpartition("/")[2] for record in registry.requests("GET", BLOBS))


def digests(*layers: bytes) -> list[str]:
    return sorted(map(digest_of, layers))


def diff(
    desk: Desk, registry: FakeRegistry, before: str = "before", after: str = "after", **options: object
) -> api.Difference:
    at = f"{registry.host}/team/app:"
    return api.diff(desk.at(at + before), desk.at(at + after), desk.places, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", ["registry", "oci", "oci-archive", "docker-archive"])
@pytest.mark.parametrize("after", ["registry", "oci", "oci-archive", "docker-archive"])
def test_any_place_may_be_compared_with_any_other(
    desk: Desk, fake_registry: FakeRegistry, before: str, after: str
) -> None:
    at = {
        "registry": f"{fake_registry.host}/team/app:{{tag}}",
        "oci": "oci:copy:{tag}",
        "oci-archive": "oci-archive:{tag}.oci.tar",
        "docker-archive": "docker-archive:{tag}.docker.tar",
    }
    names = []
    for kind, tag, layers in ((before, "before", [LOW, MIDDLE]), (after, "after", [LOW, OTHER, MORE])):
        fake_registry.add_image("team/app", image_of(layers), tag)
        names.append(at[kind].format(tag=tag))
        if kind != "registry":
            api.copy(desk.at(f"{fake_registry.host}/team/app:{tag}"), desk.at(names[-1]), desk.places)
    found = api.diff(desk.at(names[0]), desk.at(names[1]), desk.places)
    (image,) = found.images
    assert seen(image) == [("/app/a", "changed", ("size", "content")), ("/app/b", "added", ())]
    assert [bool(pair.before and pair.after) for pair in image.layers] == [True, False, False, False]


def test_the_same_image_is_not_read(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", image_of([LOW]), "before", "after")
    found = diff(desk, fake_registry)
    assert (found.is_empty, found.images, fetched(fake_registry)) == (True, (), [])


def test_shared_layers_are_not_read_where_they_make_no_difference(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", before := image_of([LOW, MIDDLE]), "before")
    fake_registry.add_image("team/app", after := image_of([LOW, OTHER]), "after")
    (image,) = diff(desk, fake_registry).images
    assert seen(image) == [("/app/a", "changed", ("size", "content"))]
    assert fetched(fake_registry) == sorted([*digests(MIDDLE, OTHER), *digests(before.config, after.config)])


def test_shared_layers_are_read_once_where_they_do(desk: Desk, fake_registry: FakeRegistry) -> None:
    """Whether a file of the upper layer is new or replaces one, the lower layers know."""
    over = layer_of({"etc/base": b"over"})
    fake_registry.add_image("team/app", before := image_of([LOW, MIDDLE, MORE]), "before")
    fake_registry.add_image("team/app", after := image_of([LOW, over, MORE]), "after")
    (image,) = diff(desk, fake_registry).images
    assert ("/etc/base", "changed", ("size", "content")) in seen(image)
    assert fetched(fake_registry) == sorted([*digests(LOW, MIDDLE, over, MORE), *digests(before.config, after.config)])


def test_no_layer_is_read_where_only_settings_differ(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", image_of([LOW], annotations={"a": "1", "b": "x"}), "before")
    fake_registry.add_image("team/app", image_of([LOW], annotations={"a": "2", "c": "y"}), "after")
    found = diff(desk, fake_registry)
    assert [(one.level, one.key, one.before, one.after) for one in found.images[0].values] == [
        ("manifest", "a", "1", "2"),
        ("manifest", "b", "x", None),
        ("manifest", "c", None, "y"),
    ]
    assert not found.is_empty
    assert not set(fetched(fake_registry)) & set(digests(LOW))


def test_indexes_platform_by_platform(desk: Desk, fake_registry: FakeRegistry) -> None:
    arm = image_of([LOW], architecture="arm64")
    fake_registry.add_image("team/app", index_of(image_of([LOW, MIDDLE]), arm), "before")
    s390x = image_of([LOW], architecture="s390x")
    fake_registry.add_image("team/app", index_of(image_of([LOW, OTHER]), s390x), "after")
    found = diff(desk, fake_registry)
    assert (found.only_before, found.only_after) == (("linux/arm64",), ("linux/s390x",))
    assert [image.platform for image in found.images] == ["linux/amd64"]
    narrow = diff(desk, fake_registry, platform=parse_platform("linux/amd64"))
    assert (narrow.only_before, narrow.only_after, len(narrow.images)) == ((), (), 1)


def test_one_image_with_that_of_an_index_for_its_platform(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", index_of(image_of([LOW]), image_of([LOW], architecture="arm64")), "before")
    fake_registry.add_image("team/app", image_of([LOW, MORE], architecture="arm64"), "after")
    found = diff(desk, fake_registry)
    assert (found.only_before, found.only_after) == (("linux/amd64",), ())
    assert seen(found.images[0]) == [("/app", "added", ()), ("/app/b", "added", ())]


def test_compression_alone_is_no_difference(desk: Desk) -> None:
    spec = "tags: [{}]\nimage: a.example/b\ncompression: {}\nlayers: [{{name: a, files: [{{text: x, to: /x}}]}}]"
    desk.build(spec.format("gzip", "gzip"), spec.format("zstd", "zstd"))
    found = api.diff(desk.at("oci:layout:gzip"), desk.at("oci:layout:zstd"), desk.places)
    assert found.before.descriptor.digest != found.after.descriptor.digest
    assert found.is_empty


def test_times_if_they_are_asked_for(desk: Desk) -> None:
    spec = "tags: ['{0}']\nimage: a.example/b\ncreated: '{0}-01-01T00:00:00Z'\nlayers: [{{name: a, files: [{{text: x, to: /x}}]}}]"
    desk.build(spec.format("2001"), spec.format("2002"))
    places = desk.at("oci:layout:2001"), desk.at("oci:layout:2002")
    assert api.diff(*places, desk.places).is_empty
    (image,) = api.diff(*places, desk.places, times=True).images
    assert seen(image) == [("/x", "changed", ("mtime",))]
    assert [change.key for change in image.values] == ["created", "history.0.created"]


def test_foreign_layers_are_named_but_not_read(desk: Desk) -> None:
    layer = (
        "{{name: f, foreign: {{urls: ['https://a.example/b'], digest: 'sha256:{0}', diff_id: 'sha256:{0}', size: 1}}}}"
    )
    spec = "tags: [{1}]\nimage: a.example/b\nplatforms: [windows/amd64]\nlayers: [" + layer + "]"
    desk.build(spec.format("1" * 64, "before"), spec.format("2" * 64, "after"))
    (image,) = api.diff(desk.at("oci:layout:before"), desk.at("oci:layout:after"), desk.places).images
    assert (image.files, image.unread, image.is_empty) == ((), 2, False)


def test_progress_tells_of_each_layer_that_is_read(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", image_of([LOW, MIDDLE]), "before")
    fake_registry.add_image("team/app", image_of([LOW, OTHER]), "after")
    diff(desk, fake_registry)
    assert [outcome for _, outcome in desk.done(Stage.FETCH)] == ["read", "read"]
    assert all(total == done for total, done in desk.advanced().values())


def test_what_is_no_image_has_no_files(desk: Desk, fake_registry: FakeRegistry, tmp_path: Path) -> None:
    fake_registry.add_image("team/app", image_of([LOW]), "before")
    (tmp_path / "note").write_text("x")
    at = f"{fake_registry.host}/team/app:before"
    note = api.attach(desk.at(at), api.Attachment(tmp_path / "note", "text/plain"), desk.places)
    with pytest.raises(UsageError, match="is no image and has no files"):
        api.diff(desk.at(at), desk.at(f"{fake_registry.host}/team/app@{note.digest}"), desk.places)


def test_a_layer_that_cannot_be_applied_is_named(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar(file("a")))
    (tmp_path / "b.tar").write_bytes(tar(hardlink("b", "nothing")))
    spec = "tags: [{0}]\nimage: a.example/b\nlayers: [{{name: x, archive: {0}.tar}}]"
    desk.build(spec.format("a"), spec.format("b"))
    with pytest.raises(IntegrityError, match="which is no file"):
        api.diff(desk.at("oci:layout:a"), desk.at("oci:layout:b"), desk.places)
