"""Segments, packed: anew, or as an earlier blob of the same layer has them, for which some need not even be read.

In front of the first change of a layer all is as it was: facts of the files say so, as they do where nothing changed at all (what
gets past them is in docs/reliability.md), and the state of its hashes is known. So these segments are copied from blob to blob. Behind the change every byte goes through the
hash again; what comes out equal, by its own hash, is still not compressed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from ocibuild.layers.memory import Stretch
from ocibuild.layers.segments import Segment
from ocibuild.layers.survey import is_settled
from ocibuild.oci.blobs import PackedBlob
from ocibuild.oci.compression import Buffer, Compressor, checksum
from ocibuild.oci.digest import fast_hash
from ocibuild.oci.media_type import Compression
from ocibuild.oci.resumable import can_resume


class PackedSegment(NamedTuple):
    """A segment before and after, and what a record keeps of it. `plain` is None for one that was not read; then `hashes` is
    the state of the layer's hashes behind it."""

    size: int
    plain: bytearray | None
    packed: Buffer
    key: bytes = b""
    checksum: int = 0
    made_of: bytes = b""
    hashes: bytes = b""


class SegmentPacker:
    """Packs the segments of one layer, and takes over what it can from `blob`, where the stretches of its record `last` lie.

    `began_ns` is when the sources were looked at; None remembers nothing of the segments, and takes nothing over.
    """

    def __init__(
        self,
        compressor: Compressor,
        began_ns: int | None = None,
        *,
        last: Sequence[Stretch] = (),
        blob: PackedBlob | None = None,
    ) -> None:
        self._compressor = compressor
        self._began_ns = began_ns or 0
        self._blob = blob
        self._known = {stretch.key: stretch for stretch in last} if blob is not None else {}
        self._in_front: Iterator[Stretch] = iter(last if blob is not None and can_resume() else ())
        self.compresses = compressor.compression is not Compression.NONE
        self.remembers = began_ns is not None and self.compresses

    def task(self, segment: Segment) -> Callable[[], PackedSegment]:
        """What reads and packs `segment`, in any thread; tasks are asked for in the order of the stream.

        It raises SourceError if a file is not any more what the walk saw.
        """
        if not self.remembers:
            return partial(self._pack, segment)
        made_of, newest_ns = segment.made_of()
        stretch = next(self._in_front, None)
        if stretch is not None and stretch.made_of == made_of and stretch.hashes:
            return partial(self._take_over, segment, stretch)
        self._in_front = iter(())
        return partial(self._look_up, segment, made_of if is_settled(newest_ns, self._began_ns) else b"")

    def _pack(self, segment: Segment) -> PackedSegment:
        plain = segment.load()
        return PackedSegment(len(plain), plain, self._compressor.pack(plain))

    def _look_up(self, segment: Segment, made_of: bytes) -> PackedSegment:
        plain = segment.load()
        key = fast_hash(plain)
        stretch = self._known.get(key)
        packed = (self._packed_before(stretch) if stretch else None) or self._compressor.pack(plain)
        return PackedSegment(len(plain), plain, packed, key, checksum(packed), made_of)

    def _take_over(self, segment: Segment, stretch: Stretch) -> PackedSegment:
        packed = self._packed_before(stretch)
        if packed is None:
            return self._look_up(segment, stretch.made_of)
        return PackedSegment(segment.size, None, packed, stretch.key, stretch.checksum, stretch.made_of, stretch.hashes)

    def _packed_before(self, stretch: Stretch) -> bytes | None:
        """The packed bytes, if the blob still has them."""
        packed = self._blob.read(stretch.offset, stretch.length) if self._blob is not None else b""
        return packed if len(packed) == stretch.length and checksum(packed) == stretch.checksum else None
