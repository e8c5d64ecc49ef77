"""How much of an image is believed. Layers come from anywhere, and a few kilobytes can unpack to a lot."""

from __future__ import annotations

from dataclasses import dataclass

PATH_LIMIT, NAME_LIMIT = 4096, 255  # bytes; of Linux, for what can be named in one call, and for one name


@dataclass(frozen=True, slots=True)
class Limits:
    """What one image may have: unpacked bytes of a layer; entries and bytes of their names, of all layers and of the tree.

    A layer that unpacks to more than `harmless` bytes is no more than `ratio` times larger than its blob. gzip packs zeros a
    thousand times smaller, zstd thirty thousand times; what people ship is five, at times fifty times smaller. The largest
    images in use have half a million files; the memory that is needed is in proportion to entries and names.
    """

    unpacked: int = 1 << 37
    ratio: int = 200
    harmless: int = 1 << 30
    entries: int = 1_500_000
    names: int = 1 << 28

    def most_unpacked(self, packed: int) -> int:
        """The number of bytes that a blob of this size is unpacked to at most."""
        return min(self.unpacked, max(self.harmless, self.ratio * packed))


LIMITS = Limits()
