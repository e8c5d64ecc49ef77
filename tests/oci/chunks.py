"""A strategy: one byte string, cut in any way into chunks."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st


def cuts(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """Lists of chunks that join to `data`; empty chunks among them."""
    positions = st.lists(st.integers(0, len(data)), max_size=12)
    return positions.map(lambda inner: [data[a:b] for a, b in pairwise([0, *sorted(inner), len(data)])])
