"""Several processes at one layout, and processes that are killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ocibuild.store.layout import Layout
from tests.oracles.layouts import read_layout
from tests.peers.programs import call, require_root
from tests.store.images import add_image, files_below, layer_tar

ROOT = Path(__file__).parents[2]
# Arguments: the layout, a name for the images, how many of them (0: for ever). One line a finished image.
BUILDER = """
import itertools, sys
from ocibuild.store.layout import Layout
from ocibuild.oci.reference import parse_reference
from tests.store.images import add_image, layer_tar
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in itertools.islice(itertools.count(), count or None):
    layout = Layout.create(path)
    image = add_image(layout, layer_tar(name, str(number)), bytes(300_000))
    layout.record_origins({image.digest: parse_reference(f"ghcr.io/o/{name}")})
    layout.name(image, reference=parse_reference(f"ghcr.io/o/{name}"), tag=f"t{number}")
    print(number, flush=True)
"""


def builder(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(path), name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_ten_processes_lose_none_of_their_names(tmp_path: Path) -> None:
    processes = [builder(tmp_path / "layout", f"p{number}", 1) for number in range(10)]
    polls = 0
    while any(process.poll() is None for process in processes):
        if (tmp_path / "layout/oci-layout").exists():
            Layout.open(tmp_path / "layout").entries()
            polls += 1
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert polls > 0
    layout = Layout.open(tmp_path / "layout")
    assert [str(entry) for entry in layout.entries()] == [f"ghcr.io/o/p{number}:t0" for number in range(10)]
    origins = [str(origin) for entry in layout.entries() for origin in layout.blob_origins(entry.descriptor)]
    assert origins == [f"ghcr.io/o/p{number}" for number in range(10)]
    assert len(read_layout(layout.path)) == 10


def test_a_killed_process_leaves_a_valid_layout_and_only_temporary_files(tmp_path: Path) -> None:
    path = tmp_path / "layout"
    random.seed(0)
    for attempt in range(6):
        with builder(path, f"p{attempt}", 0) as process:
            assert process.stdout is not None
            for _ in range(random.randrange(8)):
                process.stdout.readline()
            process.kill()
        layout = Layout.create(path)
        layout.name(add_image(layout, layer_tar("after")), tag=f"after-{attempt}")
        named = [name for image in read_layout(path) for name in image.names]
        assert named.count(f"after-{attempt}") == 1
    blobs = {Path(name).name for name in files_below(path / "blobs")}
    whole = {name for name in blobs if len(name) == 64}
    assert all(name.startswith("ocibuild-") and name.endswith(".tmp") for name in blobs - whole)


def test_a_full_disk_leaves_a_valid_layout_and_the_next_run_succeeds(tmp_path: Path) -> None:
    require_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    call("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk)
    try:
        layout = Layout.create(disk / "layout")
        layout.name(add_image(layout, layer_tar("a")), tag="before")
        filler = disk / "filler"
        filler.write_bytes(bytes(600_000))
        before = files_below(layout.path)
        with pytest.raises(Exception, match="No space left") as caught:
            layout.put_bytes(os.urandom(900_000), "application/octet-stream")
        assert caught.typename == "StoreError"
        assert files_below(layout.path) == before
        filler.unlink()
        layout.name(add_image(layout, layer_tar("b")), tag="after")
        assert [image.names for image in read_layout(layout.path)] == [("after",), ("before",)]
    finally:
        call("umount", disk)
