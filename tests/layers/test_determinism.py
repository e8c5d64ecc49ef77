"""The same sources give the same layer, however they came to lie on the disk and however many threads pack them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ocibuild.layers.build import build_layers
from ocibuild.oci.media_type import Compression
from ocibuild.plan import Attributes, Copy, Extract, FilesLayer, Hardlink, Remove, Symlink, Text
from tests.layers.building import KEEP_ALL, Layer, build, files_layer, packed, tar_info, write_tree
from tests.layers.memory_store import MemoryStore
from tests.peers.programs import require_root

NAMES = [
    *(f"d{number % 7}/f{number}" for number in range(60)),
    "größe",
    os.fsdecode(b"\xff\xfe"),
    "a/b/c/d/e",
    "a-b",
    "a.b",
]


def content(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape") * (len(name) * 4099)


def tree(root: Path, seed: int = 0, umask: int = 0o022) -> Path:
    """The same files, made in an order of its own."""
    names = list(NAMES)
    random.Random(seed).shuffle(names)
    former = os.umask(umask)
    try:
        for name in names:
            write_tree(root, {name: content(name)})
        (root / "link").symlink_to("a")
        (root / "a/script").write_text("#!/bin/sh\n")
        (root / "a/script").chmod(0o777 & ~umask)
        groups = [("d0/f0", "zz"), ("zz", "d1/0"), ("d1/0", "a/1")]
        for one, other in groups if seed % 2 == 0 else [("d0/f0", "a/1"), ("a/1", "d1/0"), ("a/1", "zz")]:
            (root / other).hardlink_to(root / one)
    finally:
        os.umask(former)
    return root


def plan(root: Path, attributes: Attributes | None = None, compression: Compression = Compression.GZIP) -> FilesLayer:
    copy = Copy(root.name, "/srv", attributes=attributes or Attributes())
    items = copy, Text(b"x", "/etc/motd"), Hardlink("/srv/a-b", "/0"), Symlink("x", "/l"), Remove("/usr/share/doc")
    return files_layer(
        root.parent, *items, compressor=packed(None if compression is Compression.NONE else 3, compression)
    )


@pytest.mark.parametrize("compression", list(Compression)[:3])
def test_order_of_creation_umask_and_place_do_not_count(tmp_path: Path, compression: Compression) -> None:
    found = {
        build(plan(tree(tmp_path / place, seed, umask), None, compression)).built.descriptor.digest
        for place, seed, umask in (("x/t", 0, 0o022), ("x/y/z/t", 1, 0o077), ("größe/t", 2, 0), ("w/t", 3, 0o027))
    }
    assert len(found) == 1


@pytest.mark.parametrize("compression", list(Compression)[:3])
def test_the_number_of_threads_does_not_count(tmp_path: Path, compression: Compression) -> None:
    layer = plan(tree(tmp_path / "t"), KEEP_ALL, compression)
    assert len({build(layer, jobs).built.descriptor.digest for jobs in (1, 2, 3, 8)}) == 1


def test_owner_and_times_of_the_files_do_not_count(tmp_path: Path) -> None:
    require_root()
    one, other = tree(tmp_path / "one/t"), tree(tmp_path / "other/t")
    for number, path in enumerate(other.rglob("*")):
        os.chown(path, 1000 + number, 1000, follow_symlinks=False)
        os.utime(path, (number, number * 7.5), follow_symlinks=False)
    assert build(plan(one)).blob == build(plan(other)).blob


def test_layers_beside_it_do_not_count(tmp_path: Path) -> None:
    layer = plan(tree(tmp_path / "t"))
    others = [
        files_layer(tmp_path, Text(bytes([n]) * 5_000_000, "/x"), name=f"{n}", compressor=packed(1)) for n in range(4)
    ]
    alone = build(layer).built
    crowd = build_layers([*others, layer], MemoryStore(), jobs=3, emit=lambda event: None)
    assert crowd[layer] == alone


def test_the_order_of_items_does_not_count_where_no_archive_is_among_them(tmp_path: Path) -> None:
    layer = plan(tree(tmp_path / "t"))
    turned = files_layer(layer.context, *reversed(layer.items), compressor=layer.compressor)
    assert build(turned).blob == build(layer).blob


@pytest.mark.parametrize(
    ("key", "value"), [("LC_ALL", "C"), ("LC_ALL", "C.UTF-8"), ("TZ", "Pacific/Apia"), ("PYTHONHASHSEED", "7")]
)
def test_the_environment_does_not_count(tmp_path: Path, key: str, value: str) -> None:
    """Even where Python takes names for ASCII, or for anything else than UTF-8."""
    root = tree(tmp_path / "t")
    script = (
        "import sys\nfrom pathlib import Path\nfrom tests.layers.test_determinism import build, plan\n"
        "print(build(plan(Path(sys.argv[1]))).built.descriptor.digest)"
    )
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", key: value}
    done = subprocess.run((sys.executable, "-c", script, root), env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(build(plan(root)).built.descriptor.digest)


# Builds what it is told in a process of its own, and says how much memory (MiB) that took at most.
MEASURE = """
import sys
from collections.abc import Sequence
from pathlib import Path
from ocibuild.events import silent
from ocibuild.layers.build import build_layers
from ocibuild.plan import Copy, Extract
from tests.layers.building import files_layer, packed
from ocibuild.oci.media_type import Compression
import contextlib

class Nowhere:
    @contextlib.contextmanager
    def writer(self):
        yield self
    def write(self, data):
        pass
    def commit(self, digest):
        pass

verb, context = sys.argv[1:]
item = Copy("large", "/large") if verb == "copy" else Extract("large", "/")
plan = files_layer(Path(context), item, compressor=packed(1, Compression.ZSTD))
print(build_layers([plan], Nowhere(), jobs=2, emit=silent)[plan].diff_id)
# Not ru_maxrss, which a process inherits from the one that started it.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says how much memory a process had")
@pytest.mark.parametrize("verb", ["copy", "extract"])
def test_memory_is_bounded_whatever_a_layer_holds(tmp_path: Path, verb: str) -> None:
    """512 MiB: held as a whole, or only as an archive's member, it would show."""
    size = 512 << 20
    with (tmp_path / "large").open("wb") as file:
        if verb == "extract":
            info = tar_info("member")
            info.size = size
            file.write(info.tobuf())
            size += 512 + 1024
        file.truncate(size)
    done = subprocess.run((sys.executable, "-c", MEASURE, verb, tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[1]) < 150


def test_an_extracted_tree_is_the_copied_tree(tmp_path: Path) -> None:
    root = tree(tmp_path / "t")
    subprocess.run(("tar", "-C", root, "--format=posix", "--sort=name", "-cf", tmp_path / "t.tar", "."), check=True)
    copied = build(files_layer(tmp_path, Copy("t", "/srv", attributes=KEEP_ALL)))
    extracted = build(files_layer(tmp_path, Extract("t.tar", "/srv", attributes=KEEP_ALL)))

    def facts(layer: Layer) -> Sequence[object]:
        return sorted((m.name, m.type, m.mode, m.uid, m.gid, m.mtime, m.size, m.linkname) for m in layer.members)

    assert facts(extracted) == facts(copied)
    assert [m.name for m in copied.members if m.isreg() and copied.content(m.name) != extracted.content(m.name)] == []
