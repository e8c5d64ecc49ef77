from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocibuild.oci.descriptor import Descriptor
from ocibuild.store.build_cache import LayerRecords
from ocibuild.store.cache_care import prune, usage
from ocibuild.store.layout import Layout
from ocibuild.store.reading import blob_path
from ocibuild.store.writing import StagedFile

LAYER = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def remembered(cache: Path, layout: Layout) -> Descriptor:
    """A layer in `layout`, and in `cache` as "key"."""
    blob = layout.put_bytes(b"layer", LAYER)
    LayerRecords(cache, layout).remember("key", b"record", blob.digest)
    return blob


def test_a_blob_outlives_its_layout_and_is_on_the_disk_once_until_then(tmp_path: Path, layout: Layout) -> None:
    blob = remembered(tmp_path / "cache", layout)
    kept = tmp_path / "cache" / "blobs" / blob.digest.encoded
    assert kept.samefile(layout.path / blob_path(blob.digest))
    shutil.rmtree(layout.path)
    other = Layout.create(tmp_path / "other")
    assert LayerRecords(tmp_path / "cache", other).restore(blob)
    assert b"".join(other.open_blob(blob)) == b"layer"


def test_what_is_built_or_restored_anew_takes_the_place_of_what_the_cache_had(tmp_path: Path, layout: Layout) -> None:
    """Else its bytes would be on the disk twice."""
    blob = remembered(tmp_path / "cache", layout)
    kept = tmp_path / "cache" / "blobs" / blob.digest.encoded
    built, restored = Layout.create(tmp_path / "built"), Layout.create(tmp_path / "restored")
    remembered(tmp_path / "cache", built)
    assert kept.samefile(built.path / blob_path(blob.digest))
    assert LayerRecords(tmp_path / "cache", restored).restore(blob)
    assert kept.samefile(restored.path / blob_path(blob.digest))
    assert list(kept.parent.iterdir()) == [kept]


def test_a_damaged_blob_does_not_stand_in_the_way_of_the_one_that_is_built_instead(
    tmp_path: Path, layout: Layout
) -> None:
    """After a crash of the machine it may be cut short: what leads to an archive is not synced."""
    blob = remembered(tmp_path / "cache", layout)
    kept = tmp_path / "cache" / "blobs" / blob.digest.encoded
    kept.unlink()
    kept.write_bytes(b"lay")
    other = Layout.create(tmp_path / "other")
    assert not LayerRecords(tmp_path / "cache", other).restore(blob)
    assert remembered(tmp_path / "cache", other) == blob
    assert LayerRecords(tmp_path / "cache", Layout.create(tmp_path / "third")).restore(blob)


def test_a_cache_on_another_file_system_remembers_what_the_layout_holds(
    tmp_path: Path, layout: Layout, memory: Path
) -> None:
    blob = remembered(memory, layout)
    records = LayerRecords(memory, layout)
    assert records.recall("key") == b"record"
    assert records.restore(blob)
    assert not LayerRecords(memory, Layout.create(tmp_path / "other")).restore(blob)
    assert usage(memory).blobs == 0
    shutil.copy(layout.path / blob_path(blob.digest), memory / "blobs")
    assert LayerRecords(memory, Layout.create(tmp_path / "another")).restore(blob)
    assert usage(memory).blobs == 1, "it stays where it is"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory on another file system."""
    place = Path(f"/dev/shm/{tmp_path.name}-{os.getpid()}")
    try:
        place.mkdir()
    except OSError:
        pytest.skip("there is no second file system at /dev/shm")
    try:
        if place.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("/dev/shm is no second file system")
        yield place
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("run", ["build", "prune"])
def test_a_record_in_the_making_belongs_to_its_process_and_goes_with_the_next_run(
    tmp_path: Path, layout: Layout, run: str
) -> None:
    cache = tmp_path / "cache"
    blob = remembered(cache, layout)
    records = cache / "layers"
    with StagedFile(records):
        (records / "ocibuild-killed.tmp").touch()
        (cache / "blobs/ocibuild-killed.tmp").hardlink_to(layout.path / blob_path(blob.digest))
        if run == "build":
            LayerRecords(cache, layout)
        else:
            prune(cache, 1 << 30)
        assert not (records / "ocibuild-killed.tmp").exists()
        assert len(list(records.glob("ocibuild-*.tmp"))) == 1, "somebody is writing it"
    assert [path.name for path in records.iterdir()] == ["key"]
    assert [path.name for path in (cache / "blobs").iterdir()] == [blob.digest.encoded]
