"""What a build takes over from earlier ones: nothing of it may show in the result, and all of it may be missing."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from ocibuild import api
from ocibuild.events import Finished, Noted
from ocibuild.layers.disk import FilePart, load
from ocibuild.oci.compression import Buffer, Compressor
from ocibuild.oci.location import RegistryLocation
from ocibuild.oci.reference import parse_reference
from ocibuild.oci.resumable import can_resume
from tests.fake_registry import BLOBS, MANIFESTS, FakeRegistry
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import Desk

SPEC = "tags: [v1]\nlayers:\n  - {name: tree, files: [{copy: tree, to: /tree}]}\n"
LONG_AGO = 1_000_000_000


@pytest.fixture
def tree(desk: Desk) -> Path:
    """Some MiB in files that have not changed for a long time, as far as clocks tell."""
    directory = desk.directory / "tree"
    directory.mkdir()
    for number in range(40):
        write(directory / f"file-{number}", f"{number} ".encode() * 40_000)
    return directory


@pytest.fixture
def reuse(desk: Desk) -> api.Reuse:
    return api.Reuse(desk.directory / "cache")


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))


def settle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next builds take place an hour from now, when the files are no longer young."""
    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + 3600 * 10**9)


def needs_states() -> None:
    if not can_resume() and os.environ.get("CI") != "true":
        pytest.skip("this Python's OpenSSL gives no states of a hash")


def outcomes(desk: Desk) -> list[str]:
    """How each layer of the builds so far came about; forgets them."""
    found = [event.outcome for event in desk.events if isinstance(event, Finished) and event.task.startswith("layer")]
    desk.events.clear()
    return found


def digest(built: tuple[api.Built, ...]) -> str:
    return str(built[0].descriptor.digest)


@pytest.mark.usefixtures("tree")
def test_an_unchanged_tree_is_not_built_again(desk: Desk, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(desk, monkeypatch)
    first = digest(desk.build(SPEC, reuse=reuse))
    assert outcomes(desk) == ["built"]
    assert digest(desk.build(SPEC, reuse=reuse)) == first
    assert outcomes(desk) == ["unchanged"]


@pytest.mark.usefixtures("tree")
def test_files_as_young_as_the_build_are_looked_at_again(desk: Desk, reuse: api.Reuse) -> None:
    """Their inodes changed within a tick of the clock: a second change would not show."""
    desk.build(SPEC, reuse=reuse)
    desk.build(SPEC, reuse=reuse)
    assert outcomes(desk) == ["built", "built"]


@pytest.mark.parametrize("change", ["content", "mode", "new file", "removed file", "renamed file", "link"])
def test_every_change_shows(
    desk: Desk, tree: Path, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    settle(desk, monkeypatch)
    before = digest(desk.build(SPEC, reuse=reuse))
    match change:
        case "content":  # of the same size, with the old time set back
            write(tree / "file-7", (tree / "file-7").read_bytes().replace(b"7", b"8"))
        case "mode":
            (tree / "file-7").chmod(0o755)
        case "new file":
            write(tree / "new", b"new")
        case "removed file":
            (tree / "file-7").unlink()
        case "renamed file":
            (tree / "file-7").rename(tree / "moved")
        case "link":
            (tree / "file-7").unlink()
            (tree / "file-7").symlink_to("file-8")
    with_cache = digest(desk.build(SPEC, reuse=reuse))
    assert with_cache != before
    assert with_cache == digest(desk.build(SPEC, to="anew"))


def test_a_changed_file_packs_its_own_segment_again_and_no_other(
    desk: Desk, tree: Path, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tree / "large", os.urandom(8 << 20))
    desk.build(SPEC, reuse=reuse)
    write(tree / "file-7", b"changed")
    packed: list[int] = []
    original = Compressor.pack

    def counted(self: Compressor, segment: Buffer) -> Buffer:
        packed.append(len(segment))
        return original(self, segment)

    monkeypatch.setattr(Compressor, "pack", counted)
    again = digest(desk.build(SPEC, reuse=reuse))
    assert 0 < sum(packed) < 6 << 20
    monkeypatch.undo()
    assert again == digest(desk.build(SPEC, to="anew"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the files of which anything was read."""
    names: set[str] = set()

    def noted(size: int, blocks: tuple[tuple[int, bytes], ...], files: tuple[FilePart, ...]) -> bytearray:
        names.update(os.fsdecode(os.path.basename(file.path)) for _, file, _, _ in files)
        return load(size, blocks, files)

    monkeypatch.setattr("ocibuild.layers.segments.load", noted)
    return names


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_lies_in_front_of_the_first_change_is_not_read(
    desk: Desk, tree: Path, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch, read: set[str], compression: str
) -> None:
    """Not even a second time, nor when the change is another one then."""
    needs_states()
    settle(desk, monkeypatch)
    spec = f"compression: {compression}\n{SPEC}"
    every = {path.name for path in tree.iterdir()}
    desk.build(spec, reuse=reuse)
    assert read == every
    for changed in ("file-30", "file-8", "file-30"):  # in the order of their bytes: 0 1 10 11 ... 8 9
        write(tree / changed, (tree / changed).read_bytes() + b"changed")
        read.clear()
        warm = digest(desk.build(spec, reuse=reuse))
        behind = {name for name in every if name >= changed}
        assert behind <= read
        before = sum((tree / name).stat().st_size for name in read - behind)
        assert 0 <= before < 3 << 20, "no more than the beginning of the segment that has changed"
        assert warm == digest(desk.build(spec, to="anew"))


def test_files_as_young_as_the_last_build_are_read_again(
    desk: Desk, tree: Path, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch, read: set[str]
) -> None:
    desk.build(SPEC, reuse=reuse)
    settle(desk, monkeypatch)
    write(tree / "file-9", b"changed")
    read.clear()
    desk.build(SPEC, reuse=reuse)
    assert read == {path.name for path in tree.iterdir()}


def test_another_order_of_the_same_segments_is_another_layer(
    desk: Desk, tree: Path, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their packed bytes are known, and so are the states behind them, but of another stream."""
    settle(desk, monkeypatch)
    for name in "abc":
        write(tree / name, os.urandom(3 << 20))
    desk.build(SPEC, reuse=reuse)
    (tree / "a").rename(tree / "kept")
    (tree / "c").rename(tree / "a")
    (tree / "kept").rename(tree / "c")
    assert digest(desk.build(SPEC, reuse=reuse)) == digest(desk.build(SPEC, to="anew"))


@pytest.mark.usefixtures("tree")
def test_without_states_of_the_hash_everything_is_read_and_the_same(
    desk: Desk, tree: Path, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch, read: set[str]
) -> None:
    """A Python whose OpenSSL is out of reach gives none; another one may have left some."""
    settle(desk, monkeypatch)
    desk.build(SPEC, reuse=reuse)
    write(tree / "file-8", b"changed")
    read.clear()
    monkeypatch.setattr("ocibuild.layers.packing.can_resume", lambda: False)
    monkeypatch.setattr("ocibuild.oci.resumable.can_resume", lambda: False)
    without = digest(desk.build(SPEC, reuse=reuse))
    assert read == {path.name for path in tree.iterdir()}
    assert without == digest(desk.build(SPEC, to="anew"))
    write(tree / "file-9", b"changed")
    monkeypatch.undo()
    assert digest(desk.build(SPEC, reuse=reuse)) == digest(desk.build(SPEC, to="anew"))


@pytest.mark.parametrize("damaged", [0.0, 0.3, 0.9])
def test_a_blob_that_is_damaged_in_front_of_the_change_is_mended(
    desk: Desk, tree: Path, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch, damaged: float
) -> None:
    settle(desk, monkeypatch)
    desk.build(SPEC, reuse=reuse)
    (blob,) = (desk.directory / "cache" / "blobs").iterdir()
    blob.chmod(0o644)
    raw = bytearray(blob.read_bytes())
    raw[int(len(raw) * damaged) + 20] ^= 1
    blob.write_bytes(raw)
    write(tree / "file-9", b"changed")
    assert digest(desk.build(SPEC, reuse=reuse)) == digest(desk.build(SPEC, to="anew"))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_neither_jobs_nor_what_is_left_of_a_cache_show_in_the_digest(
    desk: Desk, tree: Path, reuse: api.Reuse, jobs: int, compression: str
) -> None:
    spec = f"compression: {compression}\n{SPEC}"
    write(tree / "large", os.urandom(5 << 20))
    cold = digest(desk.build(spec, reuse=reuse, jobs=jobs))
    assert cold == digest(desk.build(spec, to="anew", jobs=3))
    write(tree / "file-7", b"changed")
    warm = digest(desk.build(spec, reuse=reuse, jobs=jobs))
    assert warm == digest(desk.build(spec, to="anew", jobs=3)) != cold
    write(tree / "file-8", b"changed")
    shutil.rmtree(desk.path())
    assert reuse.cache is not None
    api.prune(reuse.cache, 6 << 20)  # one of the two blobs, whose records stay or go
    pruned = digest(desk.build(spec, reuse=reuse, jobs=jobs))
    assert pruned == digest(desk.build(spec, to="anew", jobs=3)) != warm


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("damage", ["blob flipped", "blob cut", "blob gone", "records cut", "records gone", "all gone"])
def test_a_damaged_cache_costs_time_and_nothing_else(
    desk: Desk, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    first = digest(desk.build(SPEC, reuse=reuse))
    cache = desk.directory / "cache"
    shutil.rmtree(desk.path())
    for file in [*cache.glob("blobs/*"), *cache.glob("layers/*")]:
        is_blob = file.parent.name == "blobs"
        raw = file.read_bytes()
        file.chmod(0o644)
        if damage == "blob flipped" and is_blob:
            file.write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
        elif damage == "blob cut" and is_blob:
            file.write_bytes(raw[: len(raw) // 2])
        elif damage == "records cut" and not is_blob:
            file.write_bytes(raw[:-7])
        elif damage in (("blob gone",) if is_blob else ("records gone",)):
            file.unlink()
    if damage == "all gone":
        shutil.rmtree(cache)
    settle(desk, monkeypatch)
    assert digest(desk.build(SPEC, reuse=reuse)) == first
    assert (
        api.inspect(desk.at("oci:layout"), desk.places).root.descriptor.digest
        == desk.build(SPEC, to="anew")[0].descriptor.digest
    )


@pytest.mark.usefixtures("tree")
def test_a_layer_comes_out_of_the_cache_into_another_layout(
    desk: Desk, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(desk, monkeypatch)
    first = digest(desk.build(SPEC, reuse=reuse))
    shutil.rmtree(desk.path())
    outcomes(desk)
    assert digest(desk.build(SPEC, to="oci-archive:image.tar", reuse=reuse)) == first
    assert outcomes(desk) == ["unchanged"]


@pytest.mark.usefixtures("tree")
def test_pruning_removes_what_was_used_least_recently(desk: Desk, reuse: api.Reuse) -> None:
    desk.build(SPEC, reuse=reuse)
    assert reuse.cache is not None
    full = api.usage(reuse.cache)
    assert full.records == 2
    assert full.blobs == 1
    before, after = api.prune(reuse.cache, full.size)
    assert before == after == full
    _, after = api.prune(reuse.cache, 0)
    assert (after.records, after.blobs, after.size) == (0, 0, 0)
    assert digest(desk.build(SPEC, reuse=reuse)) == digest(desk.build(SPEC, to="anew"))


def published(registry: FakeRegistry) -> RegistryLocation:
    return RegistryLocation(parse_reference(f"{registry.host}/team/app:v1"))


def build_packed(desk: Desk, registry: FakeRegistry, level: int, **options: Any) -> str:
    """The digest of the image, which belongs into the registry, with layers packed at this level if they are packed."""
    spec = f"compression: {{type: gzip, level: {level}}}\nimage: {registry.host}/team/app\n{SPEC}"
    return digest(desk.build(spec, **options))


@pytest.mark.usefixtures("tree")
def test_a_layer_of_a_published_image_is_neither_packed_nor_sent(
    new_desk: OpenDesk, fake_registry: FakeRegistry
) -> None:
    """As on a CI runner: nothing is there but the sources and the registry. A newer compressor would have changed the digest."""
    desk = new_desk()
    first = build_packed(desk, fake_registry, 1)
    desk.push()
    shutil.rmtree(desk.path())
    runner = new_desk()
    fake_registry.forget()
    reuse = api.Reuse(runner.directory / "empty", (published(fake_registry),))
    assert build_packed(runner, fake_registry, 9, sparse=True, reuse=reuse) == first
    assert outcomes(runner) == ["published"]
    runner.push()
    assert fake_registry.count("PUT", "*") == 0
    assert fake_registry.count("GET", BLOBS) == 1  # the config


@pytest.mark.usefixtures("tree")
def test_a_layer_that_was_taken_over_is_remembered(
    desk: Desk, reuse: api.Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `cache prune`: sources are read once to find out that the layout has the layer, and not again."""
    settle(desk, monkeypatch)
    first = digest(desk.build(SPEC, reuse=reuse))
    assert reuse.cache is not None
    shutil.rmtree(reuse.cache)
    for _ in range(3):
        assert digest(desk.build(SPEC, reuse=reuse)) == first
    assert outcomes(desk) == ["built", "published", "unchanged", "unchanged"]


@pytest.mark.usefixtures("tree")
def test_a_layer_that_stays_in_the_registry_is_taken_over_every_time(
    new_desk: OpenDesk, fake_registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = new_desk()
    settle(desk, monkeypatch)
    first = build_packed(desk, fake_registry, 1)
    desk.push()
    runner = new_desk()
    reuse = api.Reuse(runner.directory / "cache", (published(fake_registry),))
    for number in range(2):
        assert build_packed(runner, fake_registry, 9, to=str(number), sparse=True, reuse=reuse) == first
    assert outcomes(runner) == ["published", "published"]


@pytest.mark.usefixtures("tree")
def test_a_self_contained_output_fetches_the_layers_that_it_takes_over(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(f"image: {fake_registry.host}/team/app\n{SPEC}")
    desk.push()
    reuse = api.Reuse(None, (published(fake_registry),))
    (built,) = desk.build(SPEC, to="whole", reuse=reuse)
    layer = built.images[0].layers[0]
    assert (desk.path("whole") / "blobs/sha256" / layer.digest.encoded).stat().st_size == layer.size


def test_a_layer_packed_in_another_way_is_not_taken_over(desk: Desk, tree: Path, fake_registry: FakeRegistry) -> None:
    desk.build(f"image: {fake_registry.host}/team/app\n{SPEC}")
    desk.push()
    reuse = api.Reuse(None, (published(fake_registry),))
    (built,) = desk.build(f"compression: zstd\n{SPEC}", to="other", reuse=reuse)
    assert built.images[0].layers[0].media_type.endswith("+zstd")


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("is_asked_for", "status", "is_noted"), [(True, 404, True), (False, 404, False), (False, 403, True)]
)
def test_an_image_that_is_not_there_is_noted_unless_the_build_is_to_make_it(
    desk: Desk, fake_registry: FakeRegistry, is_asked_for: bool, status: int, is_noted: bool
) -> None:
    fake_registry.quirk("*", MANIFESTS).respond(status)
    image = (published(fake_registry),)
    reuse = api.Reuse(None, image) if is_asked_for else api.Reuse(None, (), image)
    assert digest(desk.build(SPEC, reuse=reuse)) == digest(desk.build(SPEC, to="anew"))
    notes = [event.message for event in desk.events if isinstance(event, Noted)]
    assert [f"no layers are taken over from {image[0]}" in note for note in notes] == [True] * is_noted
