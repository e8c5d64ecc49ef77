"""What no packer can go below: a program that hashes, compresses and hashes again the bytes of a file, on all cores.

`python -m benchmarks.floor KIND LEVEL FILE SECONDS`: KIND is gzip (libdeflate) or zstd, FILE is cut into segments of 1 MiB. It is
in memory before the clock starts; nothing is walked, formatted or written. SECONDS gets the time.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import deflate
import zstandard

SEGMENT = 1 << 20


def packer(kind: str, level: int) -> Callable[[bytes], bytes]:
    """A function that packs one segment, for one thread."""
    if kind == "gzip":
        return lambda segment: bytes(deflate.gzip_compress(segment, level))
    return zstandard.ZstdCompressor(level=level).compress


def work(segments: list[bytes], kind: str, level: int) -> None:
    """Take segments off the list until it is empty. Each thread hashes what it takes: all of the work, none of the order."""
    plain, packed = hashlib.sha256(), hashlib.sha256()
    pack = packer(kind, level)
    while True:
        try:
            segment = segments.pop()
        except IndexError:
            return
        plain.update(segment)
        packed.update(pack(segment))


def measure(kind: str, level: int, file: Path) -> float:
    """The seconds for all segments of `file`."""
    raw = file.read_bytes()
    segments = [raw[start : start + SEGMENT] for start in range(0, len(raw), SEGMENT)]
    del raw
    cores = len(os.sched_getaffinity(0))
    threads = [threading.Thread(target=work, args=(segments, kind, level)) for _ in range(cores)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


if __name__ == "__main__":
    Path(sys.argv[4]).write_text(str(measure(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
