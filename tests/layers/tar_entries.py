"""Strategies: entries as a layer may hold them, with names and numbers at the edges of the format."""

from __future__ import annotations

from hypothesis import strategies as st

from ocibuild.layers.entries import Entry
from ocibuild.oci.tar_format import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK

COMPONENTS = st.one_of(
    st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"\0", b"n").replace(b"/", b"s")),
    st.sampled_from([b"a", b" ", b"trailing ", b"new\nline", b"\xff\xfe", "größe".encode(), b"x" * 99, b"y" * 155]),
    st.integers(1, 255).map(lambda size: b"z" * size),
).filter(lambda part: part not in (b".", b".."))
PATHS = st.lists(COMPONENTS, min_size=1, max_size=8).map(b"/".join)
IDS = st.one_of(st.integers(0, 2**21 + 1), st.integers(0, 2**32 - 1), st.sampled_from([2**21 - 1, 2**21]))
TIMES = st.one_of(st.integers(-(2**40), 2**40), st.sampled_from([-1, 0, 8**11 - 1, 8**11]))
XATTRS = st.dictionaries(
    st.sampled_from(["user.a", "user.b c", "security.capability", "user.é"]), st.binary(max_size=40)
)
KINDS = st.sampled_from([FILE, FILE, HARDLINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO])


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """An entry whose content is in memory."""
    kind = draw(KINDS)
    content = draw(st.binary(max_size=1100)) if kind == FILE else b""
    return Entry(
        path=draw(PATHS),
        kind=kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(IDS),
        gid=draw(IDS),
        mtime=draw(TIMES),
        size=len(content),
        link=draw(PATHS) if kind in (HARDLINK, SYMLINK) else b"",
        content=content,
        xattrs=tuple(sorted(draw(XATTRS).items())),
        device=draw(st.tuples(st.integers(0, 4095), st.integers(0, 2**20)))
        if kind in (CHARACTER_DEVICE, BLOCK_DEVICE)
        else (0, 0),
    )
