"""A short run of every fuzz target, from a fixed seed. The long one, led by coverage where atheris is: `make fuzz`."""

from __future__ import annotations

import random
import time

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.seeds import SEEDS, WORDS
from tests.fuzz.targets import TARGETS

SEED = 20260801
SECONDS = 0.4  # of each target
AT_ONCE = 5.0  # seconds that no input may take


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_what_is_promised_comes_of_any_bytes(name: str) -> None:
    chance, since = random.Random(SEED), time.monotonic()
    for seed in SEEDS[name]:
        TARGETS[name](seed)
    while time.monotonic() - since < SECONDS:
        raw = mutated(chance, SEEDS[name], WORDS)
        began = time.monotonic()
        try:
            TARGETS[name](raw)
        except Exception as error:
            error.add_note(f"input: {raw!r}")
            raise
        assert time.monotonic() - began < AT_ONCE, raw


def test_every_target_has_seeds() -> None:
    assert SEEDS.keys() == TARGETS.keys()
