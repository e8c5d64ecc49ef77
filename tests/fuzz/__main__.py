"""The long run.

    python -m tests.fuzz --minutes 10 [TARGET ...]

Each target gets its share of the time. Where atheris is installed, coverage leads the way; otherwise seeds are edited at
random. The seed is printed, and gives the same inputs again. An input that breaks a promise is written to a file `fuzz-...`
here, and the run ends with 1: it goes into `test_found.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.mutation import LIMIT, mutated
from tests.fuzz.seeds import SEEDS, WORDS
from tests.fuzz.targets import TARGETS

_AT_ONCE = 20  # seconds that one input may take
_MEMORY = 1024  # MiB that a target may take, with all of ocibuild and atheris in it
_DICTIONARY_WORD = 60  # the longest that libFuzzer takes
# A process of its own for each target: libFuzzer leaves the process when it is done.
_LED_BY_COVERAGE = """
import sys, atheris
with atheris.instrument_imports(include=["ocibuild"]):
    from tests.fuzz.targets import TARGETS
target = TARGETS[sys.argv.pop(1)]
atheris.Setup(sys.argv, target)
atheris.Fuzz()
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Feed every reader of foreign bytes with hostile ones.")
    parser.add_argument("--minutes", type=float, default=10, help="for all targets together")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    seconds = max(1, int(options.minutes * 60 / len(names)))
    is_led = importlib.util.find_spec("atheris") is not None
    way = "led by coverage (atheris)" if is_led else "at random"
    print(f"{len(names)} targets, {seconds} s each, seed {options.seed}, {way}", flush=True)
    run, total, broken = led_by_coverage if is_led else at_random, 0, 0
    for name in names:
        tried, failure = run(name, seconds, options.seed)
        print(f"{name:<22} {tried:>10} inputs  {'BROKEN' if failure else 'kept'}", flush=True)
        if failure:
            print(failure, flush=True)
        total, broken = total + tried, broken + bool(failure)
    print(f"{total} inputs, {broken} targets broken")
    return int(broken > 0)


def led_by_coverage(name: str, seconds: int, seed: int) -> tuple[int, str]:
    """How many inputs a target was given, and what broke it, if anything did."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory if Path(memory).is_dir() else None) as directory:
        corpus = Path(directory, "corpus")
        corpus.mkdir()
        for number, raw in enumerate(SEEDS[name]):
            (corpus / f"seed-{number}").write_bytes(raw)
        dictionary = Path(directory, "words.dict")
        dictionary.write_text("".join(_entry(word) for word in WORDS if 0 < len(word) < _DICTIONARY_WORD))
        limits = (f"-max_total_time={seconds}", f"-timeout={_AT_ONCE}", f"-max_len={LIMIT}", f"-rss_limit_mb={_MEMORY}")
        where = (f"-artifact_prefix=fuzz-{_slug(name)}-", f"-dict={dictionary}", f"-seed={seed % 2**32}", str(corpus))
        words = [sys.executable, "-c", _LED_BY_COVERAGE, name, *limits, *where]
        env = {**os.environ, "TMPDIR": directory}
        done = subprocess.run(words, env=env, capture_output=True, text=True, errors="replace", check=False)
    counts = re.findall(r"^(?:Done |#)([0-9]+)", done.stderr, re.MULTILINE)
    failure = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}" if done.returncode else ""
    return int(counts[-1]) if counts else 0, failure


def _entry(word: bytes) -> str:
    """A word as a dictionary of libFuzzer has it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def _slug(name: str) -> str:
    return re.sub(r"\W+", "-", name)


def at_random(name: str, seconds: int, seed: int) -> tuple[int, str]:
    """The same, without atheris."""
    chance, since, tried = random.Random(f"{name} {seed}"), time.monotonic(), 0
    while time.monotonic() - since < seconds:
        raw, began = mutated(chance, SEEDS[name], WORDS), time.monotonic()
        try:
            TARGETS[name](raw)
            assert time.monotonic() - began < _AT_ONCE, "it took too long"
        except Exception:
            path = Path(f"fuzz-{_slug(name)}-{hashlib.sha256(raw).hexdigest()[:12]}")
            path.write_bytes(raw)
            return tried, f"{path}\n{traceback.format_exc()}"
        tried += 1
    return tried, ""


if __name__ == "__main__":
    sys.exit(main())
