"""Copying an image: every blob once, manifests after all blobs, children first, names last, nothing after a failure."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ocibuild.errors import NotFoundError, RegistryError
from ocibuild.events import Advanced, Event, Finished, Noted, Stage, Started, silent
from ocibuild.graph import Node, read_graph
from ocibuild.oci.blobs import BlobSource, Outcome
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.media_type import OCI_FOREIGN_LAYER, OCI_LAYER
from ocibuild.transfer import Manner, blobs_of, put_blobs, transfer
from tests.image.documents import layer
from tests.image.test_graph import MemoryImages

FOREIGN = f"{OCI_FOREIGN_LAYER}+gzip"


class RecordingSink:
    """An `ImageSink` that writes down what it is asked, in order, and fails where it is told to."""

    def __init__(self, *, has: frozenset[Digest] = frozenset(), fails_at: Digest | None = None) -> None:
        self.calls: list[tuple[str, object]] = []
        self.busy = self.most = 0
        self._has, self._fails_at = has, fails_at
        self._lock = threading.Lock()
        self.lost: set[Digest] = set()

    def put_blob(self, source: BlobSource) -> Outcome:
        digest = source.descriptor.digest
        with self._lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        try:
            if digest == self._fails_at:
                raise RegistryError("refused", status=500)
            if digest in self._has and not source.is_lost:
                return Outcome.EXISTS
            for _ in source.open():
                pass
            self.lost.discard(digest)
            return Outcome.SENT
        finally:
            with self._lock:
                self.busy -= 1
                self.calls.append(("blob", digest))

    def put_manifest(self, descriptor: Descriptor, raw: bytes) -> Outcome:
        self.calls.append(("manifest", descriptor.digest))
        if descriptor.digest == self._fails_at:
            raise RegistryError("refused", status=400)
        if self.lost:
            raise RegistryError("unknown", status=404, codes=("MANIFEST_BLOB_UNKNOWN",))
        return Outcome.SENT

    def tag(self, descriptor: Descriptor, raw: bytes, name: str) -> Outcome:
        self.calls.append(("tag", name))
        return Outcome.SENT

    def of(self, kind: str) -> list[object]:
        return [what for each, what in self.calls if each == kind]


@pytest.fixture
def images() -> MemoryImages:
    return MemoryImages()


def blob(images: MemoryImages, text: str, media_type: str = OCI_LAYER) -> Descriptor:
    """A layer that can be opened."""
    return images.put(text, media_type)


def two_platforms(images: MemoryImages) -> Node:
    shared, foreign = blob(images, "shared"), layer("servercore", FOREIGN, urls=("https://example.com",))
    amd = images.image("a", "linux/amd64", foreign, shared, blob(images, "amd" * 50))
    arm = images.image("b", "linux/arm64", foreign, shared, blob(images, "arm"))
    return read_graph(images, images.index(amd, arm))


def run(root: Node, images: MemoryImages, sink: RecordingSink, *names: str, jobs: int = 3) -> list[Event]:
    events: list[Event] = []
    transfer(root, images, sink, names, Manner(jobs, events.append))
    return events


def test_blobs_then_manifests_then_names(images: MemoryImages) -> None:
    root, sink = two_platforms(images), RecordingSink()
    run(root, images, sink, "v1", "latest")
    kinds = [kind for kind, _ in sink.calls]
    assert kinds == ["blob"] * 5 + ["manifest"] * 3 + ["tag"] * 2
    assert sink.of("manifest") == [node.descriptor.digest for node in root.walk()]
    assert sink.of("tag") == ["v1", "latest"]


def test_each_digest_travels_once_and_foreign_layers_not_at_all(images: MemoryImages) -> None:
    root, sink = two_platforms(images), RecordingSink()
    events = run(root, images, sink)
    sent = sink.of("blob")
    assert len(sent) == len(set(sent)) == 5
    assert layer("servercore").digest not in sent
    assert set(sent) == {each.digest for each in blobs_of(root)}
    (noted,) = [event for event in events if isinstance(event, Noted)]
    assert (
        noted.message == f"layer {layer('servercore').digest.short} is not distributable: it stays where its URLs point"
    )


def test_a_manifest_that_is_named_twice_is_put_once(images: MemoryImages) -> None:
    one = images.image("a")
    root, sink = read_graph(images, images.index(one, one, images.index(one))), RecordingSink()
    run(root, images, sink)
    assert len(sink.of("manifest")) == len(set(sink.of("manifest"))) == 3


def test_blobs_are_listed_layers_first_in_their_order(images: MemoryImages) -> None:
    a, b = blob(images, "a"), blob(images, "b")
    root = read_graph(images, images.image("i", "linux/amd64", b, a, b))
    ((_, manifest),) = root.manifests()
    assert blobs_of(root) == [b, a, manifest.config]


def test_the_largest_goes_first(images: MemoryImages) -> None:
    layers = [blob(images, "x" * size) for size in (5, 5000, 50, 500)]
    sink = RecordingSink()
    run(read_graph(images, images.image("i", "linux/amd64", *layers)), images, sink, jobs=1)
    sizes = [len(images.raw[digest]) for digest in sink.of("blob")]  # type: ignore[index]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_so_many_at_once_and_no_more(images: MemoryImages, jobs: int) -> None:
    layers = [blob(images, f"{number}") for number in range(40)]
    sink = RecordingSink()
    run(read_graph(images, images.image("i", "linux/amd64", *layers)), images, sink, jobs=jobs)
    assert len(sink.of("blob")) == 41
    assert 1 <= sink.most <= jobs


@pytest.mark.parametrize("jobs", [1, 4])
def test_after_a_failed_blob_no_manifest_is_put(images: MemoryImages, jobs: int) -> None:
    root = two_platforms(images)
    for bad in blobs_of(root):
        sink = RecordingSink(fails_at=bad.digest)
        with pytest.raises(RegistryError, match="refused"):
            run(root, images, sink, "v1", jobs=jobs)
        assert sink.of("manifest") == sink.of("tag") == []


def test_a_failed_blob_stops_what_has_not_begun(images: MemoryImages) -> None:
    layers = [blob(images, "x" * (100 - number)) for number in range(40)]
    sink = RecordingSink(fails_at=layers[0].digest)
    with pytest.raises(RegistryError):
        put_blobs(layers, images, sink, Manner(1, silent))
    assert len(sink.of("blob")) < 40


def test_after_a_failed_manifest_neither_its_parents_nor_names_are_put(images: MemoryImages) -> None:
    root = two_platforms(images)
    first, *_ = root.walk()
    sink = RecordingSink(fails_at=first.descriptor.digest)
    with pytest.raises(RegistryError):
        run(root, images, sink, "v1")
    assert sink.of("manifest") == [first.descriptor.digest]
    assert sink.of("tag") == []


def test_a_blob_that_is_missing_at_the_source(images: MemoryImages) -> None:
    gone = blob(images, "gone")
    root = read_graph(images, images.image("i", "linux/amd64", gone))

    class Lossy(MemoryImages):
        def open_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
            raise NotFoundError(f"there is no {descriptor.digest}")

    lossy, sink = Lossy(), RecordingSink()
    with pytest.raises(NotFoundError):
        run(root, lossy, sink)
    assert sink.of("manifest") == []


def test_what_became_of_each_blob(images: MemoryImages) -> None:
    root = two_platforms(images)
    known = blobs_of(root)[0]
    done = transfer(root, images, RecordingSink(has=frozenset({known.digest})), (), Manner(2, silent))
    outcomes = dict(done.outcomes)
    assert outcomes.pop(known) is Outcome.EXISTS
    assert set(outcomes.values()) == {Outcome.SENT}
    assert done.sent_bytes == sum(descriptor.size for descriptor in outcomes)


def test_blobs_that_a_registry_lost_are_sent_again_once(images: MemoryImages) -> None:
    a = blob(images, "a")
    root = read_graph(images, images.image("i", "linux/amd64", a))
    everything = frozenset(each.digest for each in blobs_of(root))
    sink = RecordingSink(has=everything)
    sink.lost = set(everything)
    events = run(root, images, sink)
    assert len(sink.of("manifest")) == 2
    assert len(sink.of("blob")) == 4
    assert any(isinstance(event, Noted) and event.warning for event in events)


@pytest.mark.parametrize("fails", [False, True])
def test_every_task_that_starts_ends(images: MemoryImages, fails: bool) -> None:
    root = two_platforms(images)
    last = list(root.walk())[-1].descriptor.digest
    events: list[Event] = []
    sink = RecordingSink(fails_at=last if fails else None)
    try:
        transfer(root, images, sink, ("v1",), Manner(2, events.append, Stage.FETCH))
    except RegistryError:
        assert fails
    started = [event.task for event in events if isinstance(event, Started)]
    finished = [event.task for event in events if isinstance(event, Finished)]
    assert sorted(started) == sorted(finished)
    assert ("failed" in {event.outcome for event in events if isinstance(event, Finished)}) is fails
    advanced = sum(event.amount for event in events if isinstance(event, Advanced))
    assert advanced == sum(each.size for each in blobs_of(root))


def test_no_blobs_are_no_work(images: MemoryImages) -> None:
    assert put_blobs([], images, RecordingSink(), Manner(4, silent)) == ()
