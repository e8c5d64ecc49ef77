"""Packing of segments and unpacking of streams (RFC 1952, RFC 8878, the xz format)."""

from __future__ import annotations

import gzip
import lzma
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, UsageError
from ocibuild.oci.compression import Compressor, compressor, sniff, unpack, unpack_any
from ocibuild.oci.media_type import Compression
from tests.fixtures.oci.make_golden import segments
from tests.oci import messages
from tests.oci.chunks import cuts

NONE, GZIP, ZSTD, XZ = Compression.NONE, Compression.GZIP, Compression.ZSTD, Compression.XZ
PACKED = (GZIP, ZSTD, XZ)
MIB = 1 << 20
TEXT = b"the quick brown fox jumps over the lazy dog, " * 3
SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00table"


def pack(data: bytes, compression: Compression) -> bytes:
    """One member, frame or stream."""
    return lzma.compress(data) if compression is XZ else bytes(compressor(compression).pack(data))


def read(stream: bytes, compression: Compression) -> bytes:
    return b"".join(unpack([stream], compression, subject="layer 1"))


# Packing


@pytest.mark.parametrize(("compression", "levels"), [(NONE, [0]), (GZIP, range(1, 13)), (ZSTD, range(1, 20))])
def test_what_is_packed_at_any_level_is_read_by_the_usual_libraries(
    compression: Compression, levels: list[int]
) -> None:
    others: dict[Compression, Callable[[bytes], bytes]] = {
        NONE: bytes,
        GZIP: gzip.decompress,
        ZSTD: zstandard.ZstdDecompressor().decompress,
    }
    for level in levels:
        assert others[compression](bytes(compressor(compression, level).pack(TEXT))) == TEXT


@pytest.mark.parametrize("compression", [NONE, GZIP, ZSTD])
def test_any_buffer_is_packed_alike(compression: Compression) -> None:
    packer = compressor(compression)
    expected = bytes(packer.pack(TEXT))
    assert bytes(packer.pack(bytearray(TEXT))) == expected
    assert bytes(packer.pack(memoryview(b"-" + TEXT)[1:])) == expected


def test_the_header_of_a_member_names_no_time_file_or_system() -> None:
    magic, method, flags, mtime, _, system = b"\x1f\x8b", b"\x08", b"\x00", bytes(4), None, b"\xff"
    packed = bytes(compressor(GZIP).pack(TEXT))
    assert packed[:8] == magic + method + flags + mtime
    assert packed[9:10] == system


def test_a_frame_tells_its_size_and_has_no_checksum() -> None:
    facts = zstandard.get_frame_parameters(bytes(compressor(ZSTD).pack(TEXT)))
    assert facts.content_size == len(TEXT)
    assert not facts.has_checksum


@pytest.mark.parametrize("packer", [compressor(GZIP), compressor(ZSTD), compressor(ZSTD, 12)], ids=str)
def test_one_thread_and_eight_write_the_same_bytes(packer: Compressor) -> None:
    pieces = [*segments().values()] * 3
    alone = [bytes(packer.pack(piece)) for piece in pieces]
    with ThreadPoolExecutor(8) as pool:
        assert [bytes(packed) for packed in pool.map(packer.pack, pieces)] == alone


def test_default_levels() -> None:
    assert compressor(GZIP) == compressor(GZIP, 4)
    assert compressor(ZSTD) == compressor(ZSTD, 3)
    assert compressor(NONE) == compressor(NONE, 0)


@pytest.mark.parametrize(
    ("compression", "level", "hint"),
    [
        (GZIP, 0, "levels go from 1 to 12"),
        (GZIP, 13, "levels go from 1 to 12"),
        (GZIP, -1, "levels go from 1 to 12"),
        (ZSTD, 0, "levels go from 1 to 22"),
        (ZSTD, 23, "levels go from 1 to 22"),
        (ZSTD, -5, "levels go from 1 to 22"),
        (NONE, 1, "without compression there is no level: leave it out"),
        (XZ, None, "use gzip, zstd or none"),
        (XZ, 6, "use gzip, zstd or none"),
    ],
)
def test_what_cannot_be_written(compression: Compression, level: int | None, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        compressor(compression, level)
    assert caught.value.hint == hint


def test_a_fingerprint_tells_library_version_and_level() -> None:
    assert compressor(NONE).fingerprint == "none"
    assert compressor(GZIP, 5).fingerprint.startswith("deflate ")
    assert compressor(GZIP, 5).fingerprint.endswith(" level 5")
    assert "zstd 1." in compressor(ZSTD).fingerprint
    assert len({compressor(kind, level).fingerprint for kind in (GZIP, ZSTD) for level in (1, 2, 3)}) == 6


# Unpacking


@given(st.sampled_from(PACKED), st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.data())
def test_units_in_any_number_and_chunks_cut_anywhere_give_the_whole(
    compression: Compression, pieces: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(pack(piece, compression) for piece in pieces)
    chunks = data.draw(cuts(stream))
    assert b"".join(unpack(chunks, compression, subject="x")) == b"".join(pieces)
    assert b"".join(unpack_any(chunks, subject="x")) == b"".join(pieces)


@given(st.binary(max_size=300), st.data())
def test_a_plain_stream_passes_through(content: bytes, data: st.DataObject) -> None:
    chunks = data.draw(cuts(content))
    assert list(unpack(chunks, NONE, subject="x")) == chunks


@pytest.mark.parametrize("compression", PACKED)
def test_large_segments_byte_by_byte_and_at_once(compression: Compression) -> None:
    content = b"".join(segments().values())
    stream = b"".join(pack(segment, compression) for segment in segments().values())
    assert read(stream, compression) == content
    for step in (1000, 65536, 65537):
        chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
        assert b"".join(unpack(chunks, compression, subject="x")) == content
    small = pack(TEXT, compression)
    assert b"".join(unpack((bytes([byte]) for byte in small), compression, subject="x")) == TEXT


@pytest.mark.parametrize("compression", PACKED)
@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_units_that_unpack_to_much_are_followed_by_others(compression: Compression, size: int) -> None:
    stream = pack(bytes(size), compression) + pack(TEXT, compression)
    assert read(stream, compression) == bytes(size) + TEXT


@pytest.mark.parametrize("compression", PACKED)
def test_an_end_at_any_place_but_between_units_is_noticed(compression: Compression) -> None:
    units = [pack(piece, compression) for piece in (TEXT, b"", b"x" * 5000)]
    stream = b"".join(units)
    whole = {len(units[0]): TEXT, len(units[0] + units[1]): TEXT, len(stream): TEXT + b"x" * 5000}
    for end in range(1, len(stream) + 1):
        if end in whole:
            assert read(stream[:end], compression) == whole[end]
            continue
        with pytest.raises(IntegrityError, match=r"^layer 1 ends in the middle of its compressed data$"):
            read(stream[:end], compression)


@pytest.mark.parametrize("compression", PACKED)
@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]], ids=["no chunk", "an empty chunk", "empty chunks"])
def test_nothing_is_no_packed_stream(compression: Compression, chunks: list[bytes]) -> None:
    with pytest.raises(IntegrityError, match=r"^layer 1 is empty, which is not valid "):
        list(unpack(chunks, compression, subject="layer 1"))


JUNK = {
    "a byte": b"x",
    "zeros": bytes(512),
    "text": b"trailing junk",
    "a tar": b"file" + bytes(508),
    "a gzip head": b"\x1f\x8b",
}


@pytest.mark.parametrize("compression", PACKED)
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
@pytest.mark.parametrize("apart", [False, True], ids=["in one chunk", "in its own chunk"])
def test_what_follows_the_last_unit_is_refused(compression: Compression, junk: bytes, apart: bool) -> None:
    packed = pack(TEXT, compression)
    chunks = [packed, junk] if apart else [packed + junk]
    with pytest.raises(IntegrityError, match=r"^layer 1 ") as caught:
        list(unpack(chunks, compression, subject="layer 1"))
    messages.check(caught.value)


@pytest.mark.parametrize("compression", PACKED)
def test_another_packing_than_declared_is_refused(compression: Compression) -> None:
    for stream in (TEXT, bytes(1024), *(pack(TEXT, other) for other in PACKED if other is not compression)):
        with pytest.raises(IntegrityError, match=f"^layer 1 is not valid {compression.value}: ") as caught:
            read(stream, compression)
        messages.check(caught.value)


@pytest.mark.parametrize("compression", PACKED)
def test_a_flipped_bit_gives_damage_or_bytes_but_never_another_error(compression: Compression) -> None:
    stream = pack(TEXT, compression) + pack(b"second", compression)
    for position in range(len(stream)):
        for bit in (0, 3, 7):
            broken = bytearray(stream)
            broken[position] ^= 1 << bit
            try:
                read(bytes(broken), compression)
            except IntegrityError as error:
                messages.check(error)


@pytest.mark.parametrize("compression", [GZIP, XZ])
def test_a_wrong_checksum_is_refused(compression: Compression) -> None:
    stream = bytearray(pack(TEXT, compression))
    stream[-6 if compression is GZIP else -30] ^= 1
    with pytest.raises(IntegrityError):
        read(bytes(stream), compression)


def test_a_checksum_of_a_frame_is_verified_where_there_is_one() -> None:
    stream = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(TEXT))
    assert read(bytes(stream), ZSTD) == TEXT
    stream[-1] ^= 1
    with pytest.raises(IntegrityError, match="not valid zstd"):
        read(bytes(stream), ZSTD)


@pytest.mark.parametrize("kind", range(0x50, 0x60))
def test_skippable_frames_are_skipped_wherever_they_stand(kind: int) -> None:
    skipped, frame = bytes([kind]) + SKIPPABLE[1:], pack(TEXT, ZSTD)
    for stream in (skipped + frame, frame + skipped, skipped + frame + skipped + frame):
        for step in (1, 3, len(stream)):
            chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
            assert b"".join(unpack(chunks, ZSTD, subject="x")) == TEXT * stream.count(frame)
            assert b"".join(unpack_any(chunks, subject="x")) == TEXT * stream.count(frame)


@pytest.mark.parametrize("end", range(1, len(SKIPPABLE)))
def test_a_cut_skippable_frame_is_noticed(end: int) -> None:
    with pytest.raises(IntegrityError, match="ends in the middle"):
        read(pack(TEXT, ZSTD) + SKIPPABLE[:end], ZSTD)


def test_frames_without_content_size_and_with_long_blocks() -> None:
    packer = zstandard.ZstdCompressor(level=19, write_content_size=False).compressobj()
    content = segments()["text"] * 4
    stream = b"".join(packer.compress(content[at : at + 999]) for at in range(0, len(content), 999)) + packer.flush()
    assert read(stream, ZSTD) == content


def test_gzip_headers_with_every_optional_field() -> None:
    plain = gzip.compress(TEXT, mtime=0)
    head = b"\x1f\x8b\x08\x1e" + b"\x01\x02\x03\x04\x00\x03" + b"\x04\x00ab\x00\x00" + b"name\0" + b"comment\0"
    assert read(head + zlib.crc32(head).to_bytes(4, "little")[:2] + plain[10:], GZIP) == TEXT


# Bombs


def longest(stream: bytes, compression: Compression, *, stop: int) -> int:
    """The size of the longest chunk among those that make the first `stop` bytes."""
    most = total = 0
    for chunk in unpack([stream], compression, subject="x"):
        most, total = max(most, len(chunk)), total + len(chunk)
        if total >= stop:
            break
    return most


def rle_frame(blocks: Iterator[tuple[int, bytes]] | list[tuple[int, bytes]]) -> bytes:
    """A frame of raw blocks (0, content) and run-length blocks (1, one byte) of 128 KiB."""
    parts = [b"\x28\xb5\x2f\xfd\x00\x38"]
    for kind, content in blocks:
        parts.append(((len(content) if kind == 0 else 1 << 17) << 3 | kind << 1).to_bytes(3, "little") + content)
    return b"".join([*parts, b"\x01\x00\x00"])


def test_bombs_come_in_chunks_of_bounded_size() -> None:
    zeros = bytes(64 * MIB)
    assert longest(pack(zeros, GZIP), GZIP, stop=64 * MIB) <= MIB
    assert longest(lzma.compress(zeros, preset=0), XZ, stop=64 * MIB) <= MIB
    assert longest(pack(zeros, ZSTD), ZSTD, stop=64 * MIB) <= 8 * MIB


def test_the_worst_frame_there_is_comes_in_chunks_of_bounded_size() -> None:
    bomb = rle_frame([(1, b"\0")] * 4000)
    assert len(bomb) < 17_000
    assert longest(bomb, ZSTD, stop=500 * MIB) <= 8 * MIB
    # Slices shrink after a large one and grow after a small one: plain blocks in between must not lure them.
    luring = rle_frame([*[(0, b"x" * 64)] * 4, *[(1, b"\0")] * 128] * 8)
    assert longest(luring, ZSTD, stop=128 * MIB) <= 8 * MIB


def test_a_bomb_costs_no_memory() -> None:
    stream = rle_frame([(1, b"\0")] * 4000)
    tracemalloc.start()
    try:
        assert sum(map(len, unpack([stream], ZSTD, subject="x"))) == 4000 << 17
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB


def test_an_unpacked_stream_can_be_left_early() -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield pack(TEXT, GZIP)

    stream = unpack(endless(), GZIP, subject="x")
    assert next(stream) == TEXT
    assert len(taken) == 1


@pytest.mark.parametrize("compression", [GZIP, ZSTD])
def test_very_many_tiny_units_in_one_chunk_take_linear_time(compression: Compression) -> None:
    stream = pack(b"", compression) * 50_000
    start = time.process_time()
    assert read(stream, compression) == b""
    assert time.process_time() - start < 10, "copying the rest after each unit would take minutes"


def test_a_window_or_dictionary_that_would_take_gigabytes_is_refused() -> None:
    window = b"\x28\xb5\x2f\xfd\x00" + bytes([20 << 3]) + b"\x01\x00\x00"  # 2^30
    with pytest.raises(IntegrityError, match="not valid zstd"):
        read(window, ZSTD)
    with pytest.raises(IntegrityError, match="not valid xz: Memory usage limit"):
        read(xz_with_dictionary(40), XZ)
    assert read(xz_with_dictionary(28), XZ) == TEXT, "xz -9 has 64 MiB"


def xz_with_dictionary(size: int) -> bytes:
    """A small xz stream that says it needs a dictionary of this size (the xz format, 5.3.1: 28 is 64 MiB, 40 is 4 GiB)."""
    stream = bytearray(lzma.compress(TEXT))
    start, length = 12, (stream[12] + 1) * 4
    at = stream.index(b"\x21\x01", start) + 2
    stream[at] = size
    stream[start + length - 4 : start + length] = zlib.crc32(stream[start : start + length - 4]).to_bytes(4, "little")
    return bytes(stream)


# Sniffing

HEADS = {
    b"": NONE,
    b"\x1f": NONE,
    b"\x1f\x8b": GZIP,
    b"\x1f\x8b\x08\x00": GZIP,
    b"\x28\xb5\x2f": NONE,
    b"\x28\xb5\x2f\xfd": ZSTD,
    b"\x50\x2a\x4d\x18": ZSTD,
    b"\x5f\x2a\x4d\x18": ZSTD,
    b"\x60\x2a\x4d\x18": NONE,
    b"\x4f\x2a\x4d\x18": NONE,
    b"\xfd7zXZ\x00": XZ,
    b"\xfd7zXZ": NONE,
    b"BZh9": NONE,
    b"file.txt" + bytes(92): NONE,
    bytes(1024): NONE,
}


@pytest.mark.parametrize(("head", "compression"), HEADS.items())
def test_sniff(head: bytes, compression: Compression) -> None:
    assert sniff(head) is compression


@pytest.mark.parametrize("content", [b"", b"x", b"a plain tar", bytes(2048)])
def test_what_is_not_packed_is_given_as_it_is(content: bytes) -> None:
    for chunks in ([content], [bytes([byte]) for byte in content], [b"", content, b""]):
        assert b"".join(unpack_any(chunks, subject="x")) == content
