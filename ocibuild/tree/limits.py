"""How much of an image is believed. Layers come from anywhere, and a few kilobytes can unpack to a lot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one image may have: unpacked bytes of a layer, entries and bytes of their names, of all layers and of the tree.

    The largest images in use have half a million files; the memory that is needed is in proportion to entries and names.
    """

    unpacked: int = 1 << 37
    entries: int = 1_500_000
    names: int = 1 << 28


LIMITS = Limits()
PATH_LIMIT = 4096  # of Linux, for what can be named in one call
