"""What hangs below a name: read once, chosen by platform, children before parents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from ocibuild.errors import IntegrityError, NotFoundError
from ocibuild.graph import find_image, find_manifest, platforms_of, read_config, read_configs, read_graph, select
from ocibuild.oci.codec import CONFIG_LIMIT
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import Index, parse_document
from ocibuild.oci.media_type import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from ocibuild.oci.platform import Platform, parse_platform
from ocibuild.oci.reference import Reference
from tests.image.documents import layer


class MemoryImages:
    """An `ImageReader` over documents in memory, which counts what is read."""

    def __init__(self) -> None:
        self.raw: dict[Digest, bytes] = {}
        self.reads: Counter[Digest] = Counter()

    def put(self, document: object, media_type: str, platform: str | None = None) -> Descriptor:
        raw = json.dumps(document).encode()
        descriptor = describe(raw, media_type, platform=parse_platform(platform) if platform else None)
        self.raw[descriptor.digest] = raw
        return descriptor

    def image(self, name: str, platform: str = "linux/amd64", *layers: Descriptor) -> Descriptor:
        os, architecture, *variant = platform.split("/")
        document = {"os": os, "architecture": architecture, "name": name, "rootfs": {"type": "layers", "diff_ids": []}}
        if variant:
            document["variant"] = variant[0]
        config = self.put(document, OCI_CONFIG)
        manifest = {"schemaVersion": 2, "config": config.to_json(), "layers": [each.to_json() for each in layers]}
        return self.put(manifest, OCI_MANIFEST, platform)

    def index(self, *children: Descriptor, platform: str | None = None) -> Descriptor:
        return self.put({"schemaVersion": 2, "manifests": [child.to_json() for child in children]}, OCI_INDEX, platform)

    def resolve(self, name: str | None) -> Descriptor:
        raise NotFoundError(f"nothing is named {name}")

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        self.reads[descriptor.digest] += 1
        if descriptor.digest not in self.raw:
            raise NotFoundError(f"there is no {descriptor.digest}")
        return self.raw[descriptor.digest]

    def open_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        self.reads[descriptor.digest] += 1
        yield self.raw[descriptor.digest]

    def blob_origins(self, descriptor: Descriptor) -> Sequence[Reference]:
        return ()

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        return ()


@pytest.fixture
def images() -> MemoryImages:
    return MemoryImages()


def test_children_come_before_their_parents(images: MemoryImages) -> None:
    a, b, c = (images.image(name) for name in "abc")
    inner = images.index(b, c)
    top = images.index(a, inner)
    root = read_graph(images, top)
    assert [node.descriptor for node in root.walk()] == [a, b, c, inner, top]
    assert [node.descriptor for node, _ in root.manifests()] == [a, b, c]
    assert [node.descriptor for node in read_graph(images, a).walk()] == [a]


def test_a_document_is_read_once_and_its_descriptors_are_kept(images: MemoryImages) -> None:
    one = images.image("a", "linux/amd64")
    again = Descriptor(one.media_type, one.digest, one.size, platform=parse_platform("linux/386"))
    inner = images.index(one)
    top = images.index(one, again, inner, inner)
    root = read_graph(images, top)
    assert [node.descriptor for node in root.walk()] == [one, again, one, inner, inner, top]
    assert set(images.reads.values()) == {1}


def test_indexes_that_name_one_another_over_and_over_are_no_bomb(images: MemoryImages) -> None:
    """Six levels of ten: a million paths to one image."""
    node = images.image("a")
    for _ in range(6):
        node = images.index(*[node] * 10)
    root = read_graph(images, node)
    assert sum(1 for _ in root.walk()) < 100
    assert sum(images.reads.values()) == 7


@pytest.mark.parametrize(("levels", "fits"), [(7, True), (8, False), (12, False)])
def test_indexes_are_nested_so_deep_and_no_deeper(images: MemoryImages, levels: int, fits: bool) -> None:
    node = images.image("a")
    for _ in range(levels):
        child = Descriptor(node.media_type, node.digest, node.size, platform=parse_platform("linux/amd64"))
        node = images.index(child)
    if fits:
        assert len(list(read_graph(images, node).walk())) == levels + 1
        assert find_manifest(images, node, parse_platform("linux/amd64"))[0].media_type == OCI_MANIFEST
        return
    with pytest.raises(IntegrityError, match="nested more than 8 deep"):
        read_graph(images, node)
    with pytest.raises(IntegrityError, match="nested more than 8 deep"):
        find_manifest(images, node, parse_platform("linux/amd64"))


def test_what_is_no_image_document_is_not_opened(images: MemoryImages) -> None:
    strange = layer("x", "application/vnd.example+json")
    root = read_graph(images, images.index(strange, images.image("a")))
    assert len(root.children) == 1
    assert strange.digest not in images.reads


def test_platforms_choose_what_is_read(images: MemoryImages) -> None:
    amd, arm, risc = (images.image("a", f"linux/{name}") for name in ("amd64", "arm64/v8", "riscv64"))
    top = images.index(amd, arm, risc)
    wanted = tuple(map(parse_platform, ("linux/arm64", "linux/amd64", "linux/aarch64")))
    root = read_graph(images, top, wanted)
    assert [child.descriptor for child in root.children] == [arm, amd]
    assert risc.digest not in images.reads
    assert find_manifest(images, top, parse_platform("linux/arm64"))[0] == arm


def test_a_platform_that_is_not_there_is_named_with_those_that_are(images: MemoryImages) -> None:
    unknown = images.image("attestation", "linux/amd64")
    attestation = Descriptor(unknown.media_type, unknown.digest, unknown.size, platform=Platform("unknown", "unknown"))
    top = images.index(images.image("a", "linux/arm64/v8"), images.image("a", "linux/amd64"), attestation)
    for read in (lambda p: read_graph(images, top, (p,)), lambda p: find_manifest(images, top, p)):
        with pytest.raises(NotFoundError) as caught:
            read(parse_platform("linux/s390x"))
        assert caught.value.what == "there is no image for linux/s390x"
        assert caught.value.hint == "there are: linux/amd64, linux/arm64/v8"


@pytest.mark.parametrize(
    ("asked", "own"),
    [("linux/arm64", "linux/arm64/v8"), ("linux/aarch64", "linux/arm64"), ("linux/arm/v7", "linux/arm"),
     ("linux/arm", "linux/arm/v6"), ("linux/x86_64", "linux/amd64/v1")],
)  # fmt: skip
def test_a_single_image_of_the_platform_is_found(images: MemoryImages, asked: str, own: str) -> None:
    image = images.image("a", own)
    assert find_image(images, image, parse_platform(asked)) == image
    assert find_image(images, images.index(image), parse_platform(asked)) == image


@pytest.mark.parametrize(("asked", "own"), [("linux/arm64", "linux/amd64"), ("linux/arm/v7", "linux/arm/v6")])
def test_a_single_image_of_another_platform_is_no_other_case_than_an_index(
    images: MemoryImages, asked: str, own: str
) -> None:
    image = images.image("a", own)
    for top in (image, images.index(image)):
        with pytest.raises(NotFoundError) as caught:
            find_image(images, top, parse_platform(asked))
        assert (caught.value.what, caught.value.hint) == (f"there is no image for {asked}", f"there are: {own}")


@pytest.mark.parametrize("config", [{}, {"os": "linux"}, {"architecture": "arm64"}])
def test_a_single_image_that_names_no_platform_is_taken_for_any(images: MemoryImages, config: dict[str, str]) -> None:
    rootfs = {"rootfs": {"type": "layers", "diff_ids": []}}
    for media_type in (OCI_CONFIG, "application/vnd.example.config+json"):
        described = images.put({**config, **rootfs}, media_type)
        image = images.put({"schemaVersion": 2, "config": described.to_json(), "layers": []}, OCI_MANIFEST)
        assert find_image(images, image, parse_platform("linux/amd64")) == image


def test_an_index_without_platforms_offers_none(images: MemoryImages) -> None:
    raw = images.raw[images.index(layer("x", OCI_MANIFEST)).digest]
    index = parse_document(raw, OCI_INDEX, subject="i")
    assert isinstance(index, Index)
    with pytest.raises(NotFoundError) as caught:
        select(index, parse_platform("linux/amd64"))
    assert caught.value.hint == "there are: none with a platform"


def test_the_first_of_several_that_suit_is_chosen(images: MemoryImages) -> None:
    first, second = images.image("first"), images.image("second")
    assert find_manifest(images, images.index(first, second), parse_platform("linux/amd64"))[0] == first
    assert find_manifest(images, images.index(second, first), parse_platform("linux/amd64"))[0] == second


def test_a_missing_child_is_an_error(images: MemoryImages) -> None:
    with pytest.raises(NotFoundError):
        read_graph(images, images.index(layer("gone", OCI_MANIFEST)))


def test_configs_are_read_of_images_and_not_of_artifacts(images: MemoryImages) -> None:
    image = images.image("a", "linux/arm64/v8")
    config = images.put({}, "application/vnd.example.config+json")
    artifact = images.put({"schemaVersion": 2, "config": config.to_json(), "layers": []}, OCI_MANIFEST)
    root = read_graph(images, images.index(image, artifact))
    assert [str(each.platform) for each in read_configs(images, root).values()] == ["linux/arm64/v8"]
    assert config.digest not in images.reads
    assert platforms_of(images, artifact) == ()
    assert list(map(str, platforms_of(images, image))) == ["linux/arm64/v8"]
    assert list(map(str, platforms_of(images, images.index(image)))) == ["linux/arm64/v8"]


def test_a_config_of_absurd_size_is_not_read(images: MemoryImages) -> None:
    config = Descriptor(OCI_CONFIG, layer("x").digest, CONFIG_LIMIT + 1)
    top = images.put({"schemaVersion": 2, "config": config.to_json(), "layers": []}, OCI_MANIFEST)
    ((_, manifest),) = read_graph(images, top).manifests()
    with pytest.raises(IntegrityError, match=f"at most {CONFIG_LIMIT} are read"):
        read_config(images, manifest)
    assert config.digest not in images.reads
