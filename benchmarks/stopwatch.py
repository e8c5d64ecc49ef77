"""A program that runs another and writes down what it took: `stopwatch.py OUTPUT COMMAND...`.

A process of its own, and a small one: the peak memory that Linux reports of a child includes that of the process it was
forked from. Below some 10 MB, which this process needs itself, peaks therefore cannot be told apart.
"""

import os
import sys
import time


def main() -> int:
    """Run the command; OUTPUT gets wall seconds, CPU seconds and the peak memory of its largest process in KiB."""
    output, *words = sys.argv[1:]
    began = time.perf_counter()
    child = os.posix_spawnp(words[0], words, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    with open(output, "w", encoding="ascii") as file:
        print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
