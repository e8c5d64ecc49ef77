"""Bytes that are nearly right: a seed with a few edits. The same random numbers give the same bytes."""

from __future__ import annotations

import random
from collections.abc import Sequence

LIMIT = 1 << 16


def mutated(chance: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One of `seeds` with up to eight edits."""
    raw = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 8)):
        _edit(chance, raw, seeds, words)
    return bytes(raw[:LIMIT])


def _edit(chance: random.Random, raw: bytearray, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    start = chance.randint(0, len(raw))
    end = min(len(raw), start + chance.choice((1, 1, 2, 4, 16, 64)))
    match chance.randrange(7):
        case 0:
            raw[start:end] = chance.choice(words)
        case 1:
            raw[start:start] = chance.choice(words)
        case 2:
            del raw[start:end]
        case 3:
            raw[start:start] = raw[start:end] * chance.choice((1, 2, 40))
        case 4:
            raw[start:end] = chance.randbytes(end - start)
        case 5 if start < len(raw):
            raw[start] ^= 1 << chance.randrange(8)
        case _:
            other = chance.choice(seeds)
            cut = chance.randint(0, len(other))
            raw[start:] = other[cut:]
