"""Where the tar stream is cut: by content alone, in bounded pieces, and the same again behind a change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.layers.arrange import arrange
from ocibuild.layers.entries import Entry
from ocibuild.layers.found import Found
from ocibuild.layers.segments import SEGMENT_SIZE, Segment
from ocibuild.layers.sources import layer_entries
from ocibuild.layers.survey import survey_layer
from ocibuild.layers.tar import header
from ocibuild.oci.tar_format import BLOCK, FILE, padding
from ocibuild.plan import Copy, Extract, FilesLayer
from tests.layers.building import WRITERS, files_layer, make_tar, segments_of, write_tree

MIB = 1 << 20
LARGEST = 3 * MIB + BLOCK


def file(number: int, size: int) -> Entry:
    """A file that is never read: only where it is cut matters."""
    path = b"d/%06d" % number
    return Entry(path, FILE, 0o644, 0, 0, 0, size, content=Found(path, bytes(68), 0o100644, size, 1, 0))


def shape(segment: Segment) -> object:
    """What decides the bytes of a segment."""
    return segment.size, segment.blocks, segment.files


SIZES = st.one_of(
    st.integers(0, 20_000),
    st.integers(0, 3 * MIB),
    st.sampled_from([0, 1, BLOCK, MIB - BLOCK, MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB]),
)


@given(st.lists(SIZES, max_size=40))
def test_segments_are_the_whole_stream_in_bounded_pieces(sizes: list[int]) -> None:
    members = [file(number, size) for number, size in enumerate(sizes)]
    found = list(segments_of(members))
    expected = sum(len(header(member)) + member.size + padding(member.size) for member in members) + 2 * BLOCK
    assert sum(segment.size for segment in found) == expected
    assert all(segment.size <= LARGEST for segment in found)
    # All but the last are worth packing by themselves, unless a large file follows.
    assert len(found) <= 1 + expected // (768 << 10)
    for segment in found:
        stretches = [(start, start + len(block)) for start, block in segment.blocks]
        stretches += [(position, position + length) for position, _, _, length in segment.files]
        assert all(0 <= start <= end <= segment.size for start, end in stretches)


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=3 * BLOCK), max_size=20), st.integers(0, 4))
def test_the_bytes_of_segments_join_to_the_stream(contents: list[bytes], large: int) -> None:
    contents = [*contents, bytes(range(256)) * 4096 * large]
    members = [
        Entry(b"%d" % number, FILE, 0o644, 0, 0, 0, len(content), content=content)
        for number, content in enumerate(contents)
    ]
    expected = b"".join(header(m) + bytes(m.content) + bytes(padding(m.size)) for m in members)  # type: ignore[arg-type]
    assert b"".join(segment.load() for segment in segments_of(members)) == expected + bytes(1024)


def changed(before: list[Entry], after: list[Entry]) -> int:
    """How many segments of `after` have to be packed anew."""
    known = {shape(segment) for segment in segments_of(before)}
    return sum(shape(segment) not in known for segment in segments_of(after))


@settings(max_examples=20)
@given(st.integers(0, 4999), st.integers(0, 30_000), st.integers(1, 10**6))
def test_an_insertion_changes_what_is_near_it(position: int, size: int, seed: int) -> None:
    """5,000 files of 0 to 40 KB, some 130 segments."""
    before = [file(number, number * seed * 7919 % 40_000) for number in range(5000)]
    after = [*before[:position], file(10**6 - 1, size), *before[position:]]
    assert changed(before, after) <= 8
    assert changed(after, before) <= 8


def test_insertions_change_two_segments_as_a_rule() -> None:
    before = [file(number, number * 7919 % 40_000) for number in range(5000)]
    counts = [changed(before, [*before[:at], file(10**6, 5), *before[at:]]) for at in range(0, 5000, 200)]
    assert sum(counts) / len(counts) < 2
    assert sum(segment.size for segment in segments_of(before)) / len(list(segments_of(before))) > 0.9 * MIB


def test_the_cuts_inside_a_large_file_are_those_of_the_file() -> None:
    large = file(5, 10 * MIB + 5)
    alone = {shape(segment) for segment in segments_of([large])}
    behind = {shape(segment) for segment in segments_of([file(1, 777_777), large])}
    assert len(alone & behind) >= 9


@pytest.mark.parametrize("size", [0, 1, SEGMENT_SIZE - 1, SEGMENT_SIZE, SEGMENT_SIZE + 1, 2 * SEGMENT_SIZE])
def test_files_at_the_edges_of_a_segment_are_whole(tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    write_tree(tmp_path, {"a": content[:size], "b": b"x"})
    plan = files_layer(tmp_path, Copy(".", "/"))
    members = arrange(layer_entries(plan, survey_layer(plan)), {}, 0)
    raw = b"".join(segment.load() for segment in segments_of(members))
    assert raw[BLOCK : BLOCK + size] == content[:size]


def test_the_packing_of_an_archive_does_not_move_a_cut(tmp_path: Path) -> None:
    make_tar(tmp_path / "plain", [(f"{n:03}", bytes([n]) * (n * 31_337 % 400_000)) for n in range(60)])
    raw = (tmp_path / "plain").read_bytes()

    def sizes(plan: FilesLayer) -> list[int]:
        return [segment.size for segment in segments_of(arrange(layer_entries(plan, survey_layer(plan)), {}, 0))]

    found = []
    for pack in WRITERS.values():
        (tmp_path / "archive").write_bytes(pack(raw))
        found.append(sizes(files_layer(tmp_path, Extract("archive", "/"))))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 5
