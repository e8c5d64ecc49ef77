"""The long run.

    python -m tests.fuzz --minutes 10 [TARGET ...]

Each target gets its share of the time. Where atheris is installed it leads the way by coverage; otherwise seeds are edited at
random, from a seed that is printed. An input that breaks a promise is written to `fuzz-TARGET-HASH`, and the run ends with 1:
it goes into `test_found.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
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
    parser.add_argument("--minutes", type=float, default=10, help="of all targets together")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    is_led = importlib.util.find_spec("atheris") is not None
    seconds = max(1, int(options.minutes * 60 / len(names)))
    print(
        f"{seconds} s a target, seed {options.seed}, {'led by coverage (atheris)' if is_led else 'at random'}",
        flush=True,
    )
    run = led_by_coverage if is_led else at_random
    broken = sum(not run(name, seconds, options.seed) for name in names)
    return int(broken > 0)


def led_by_coverage(name: str, seconds: int, seed: int) -> bool:
    """Whether a target kept its promises for so long."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as corpus:
        for number, raw in enumerate(SEEDS[name]):
            Path(corpus, f"seed-{number}").write_bytes(raw)
        words = "\n".join(
            f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"' for word in WORDS if 0 < len(word) < 60
        )
        dictionary = Path(corpus, "words.dict")
        dictionary.write_text(words + "\n")
        limits = [f"-max_total_time={seconds}", f"-timeout={_AT_ONCE}", f"-max_len={LIMIT}", "-rss_limit_mb=2048"]
        where = [
            f"-artifact_prefix=fuzz-{_slug(name)}-",
            f"-dict={dictionary}",
            f"-seed={seed % 2**32}",
            corpus,
        ]
        words_of_command = [sys.executable, "-c", _LED_BY_COVERAGE, name, *limits, *where]
        done = subprocess.run(words_of_command, capture_output=True, text=True, errors="replace", check=False)
    runs = [line for line in done.stderr.splitlines() if line.startswith(("Done", "#"))][-1:]
    print(f"{name}: {'kept' if done.returncode == 0 else 'BROKEN'}; {' '.join(runs)}", flush=True)
    if done.returncode != 0:
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", flush=True)
    return done.returncode == 0


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def at_random(name: str, seconds: int, seed: int) -> bool:
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
            print(f"{name}: BROKEN after {tried} inputs by {path}\n{traceback.format_exc()}", flush=True)
            return False
        tried += 1
    print(f"{name}: kept, {tried} inputs", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
