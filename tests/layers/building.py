"""Builds a layer of a few items and reads it back with `tarfile`, which shares no line with ocibuild."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ocibuild.errors import SourceError
from ocibuild.events import silent
from ocibuild.layers.build import build_layers
from ocibuild.layers.entries import Entry
from ocibuild.layers.segments import Segment, segments
from ocibuild.layers.tar import member
from ocibuild.oci.compression import Compressor, compressor
from ocibuild.oci.media_type import Compression
from ocibuild.plan import KEEP, Attributes, BuiltLayer, Copy, FilesLayer, Item, LayerPlan, Origin
from tests.layers.memory_store import MemoryStore

PLAIN = compressor(Compression.NONE)
KEEP_ALL = Attributes(owner=KEEP, file_mode=KEEP, dir_mode=KEEP, mtime=KEEP, xattrs=KEEP)
CREATED = 1_000_000_000
WRITERS: Mapping[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.zst": zstandard.ZstdCompressor().compress,
}
_READERS: Mapping[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar+gzip": gzip.decompress,
    "tar+zstd": lambda raw: zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read(),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that was built."""

    built: BuiltLayer
    blob: bytes

    @property
    def tar(self) -> bytes:
        return _READERS[self.built.descriptor.media_type.rpartition(".")[2]](self.blob)

    @property
    def members(self) -> list[tarfile.TarInfo]:
        with self._opened() as tar:
            return tar.getmembers()

    @property
    def names(self) -> list[str]:
        """The paths in their order; directories end in a slash."""
        return [member.name + "/" * member.isdir() for member in self.members]

    def __getitem__(self, name: str) -> tarfile.TarInfo:
        return next(member for member in self.members if member.name == name)

    def content(self, name: str) -> bytes:
        with self._opened() as tar:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

    def _opened(self) -> tarfile.TarFile:
        return tarfile.open(fileobj=io.BytesIO(self.tar), mode="r:", encoding="utf-8", errors="surrogateescape")


def files_layer(context: Path, *items: Item, **facts: Any) -> FilesLayer:
    """A layer plan that packs nothing, so that its blob is the tar."""
    return FilesLayer(
        **{"name": "layer", "items": items, "compressor": PLAIN, "context": context, "created": CREATED, **facts}
    )


def build(plan: LayerPlan, jobs: int = 2) -> Layer:
    """Build one layer. Its digests and size are checked here, for every test."""
    store = MemoryStore()
    built = build_layers([plan], store, jobs=jobs, emit=silent)[plan]
    layer = Layer(built, store.blobs[built.descriptor.digest])
    assert built.descriptor.size == len(layer.blob)
    assert built.diff_id.encoded == hashlib.sha256(layer.tar).hexdigest()
    assert store.open_writers == 0
    return layer


def build_items(context: Path, *items: Item, **facts: Any) -> Layer:
    """Build a layer of these items."""
    return build(files_layer(context, *items, **facts))


def build_tree(context: Path, attributes: Attributes = Attributes(), **facts: Any) -> Layer:  # noqa: B008 - frozen
    """Build a layer of all that is in `context`."""
    return build_items(context, Copy(".", "/", attributes=attributes), **facts)


def refused(context: Path, *items: Item, **facts: Any) -> SourceError:
    """The error that these items end in. It has a place, if the items have one, and says how to mend it."""
    with pytest.raises(SourceError) as caught:
        build_items(context, *items, **facts)
    error = caught.value
    assert "\n" not in error.what
    assert error.hint
    return error


def segments_of(entries: Iterable[Entry]) -> Iterator[Segment]:
    """The segments of a layer with these members."""
    return segments(map(member, entries))


def at(line: int) -> Origin:
    """A place in a spec."""
    return Origin("ocibuild.yaml", line, 5)


def packed(level: int | None = None, compression: Compression = Compression.GZIP) -> Compressor:
    return compressor(compression, level)


def write_tree(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Files by path; a path that ends in a slash is an empty directory."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def make_tar(
    path: Path,
    members: Sequence[tuple[str | tarfile.TarInfo, bytes]],
    *,
    tar_format: int = tarfile.PAX_FORMAT,
    **facts: Any,
) -> Path:
    """A tar of these members; a name that ends in a slash is a directory."""
    with tarfile.open(path, "w", format=tar_format, **facts) as tar:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tar_info(member)
            if not info.islnk():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def tar_info(name: str, kind: bytes | None = None, link: str = "", **facts: Any) -> tarfile.TarInfo:
    """A member; a name that ends in a slash is a directory."""
    info = tarfile.TarInfo(name)
    info.type = kind or (tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE)
    info.linkname = link
    info.mode = 0o755 if info.isdir() else 0o644
    for key, value in facts.items():
        setattr(info, key, value)
    return info
