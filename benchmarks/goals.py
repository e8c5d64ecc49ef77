"""What the figures of a scenario have to show: ratios within one run, and a few absolute bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.measuring import Result, Results

OURS = "ocibuild"
PEAK_LIMIT_MB = 150


@dataclass(frozen=True, slots=True)
class Goal:
    """`measured` of the results is at most `limit`; None where a program that it needs did not take part."""

    text: str
    limit: float
    measured: Callable[[Results], float | None]


def wall(name: str, peers: Sequence[str], limit: float) -> Goal:
    """The wall time of a contender over that of the fastest of `peers`."""

    def measured(results: Results) -> float | None:
        times = [results[peer].median for peer in peers if peer in results]
        return results[name].median / min(times) if name in results and times else None

    return Goal(f"{name}: time over that of {_one_of(peers)}", limit, measured)


def size(name: str, peer: str, limit: float = 1.0) -> Goal:
    """The size of what a contender makes over that of a peer's."""

    def measured(results: Results) -> float | None:
        ours, theirs = _size(results.get(name)), _size(results.get(peer))
        return ours / theirs if ours and theirs else None

    return Goal(f"{name}: size over that of {peer}", limit, measured)


def seconds(name: str, limit: float) -> Goal:
    """The wall time of a contender."""
    return Goal(f"{name}: seconds", limit, lambda results: results[name].median if name in results else None)


def linear(first: str, last: str, factor: float, limit: float) -> Goal:
    """The time for `factor` times as much, over `factor` times the time: 1 is linear, less is the share of fixed costs."""

    def measured(results: Results) -> float | None:
        if first not in results or last not in results:
            return None
        return results[last].median / results[first].median / factor

    return Goal(f"{last}: time over {factor:g} times that of {first}", limit, measured)


def peak_memory() -> Goal:
    """The highest peak memory of all runs of ocibuild, in MB."""

    def measured(results: Results) -> float | None:
        peaks = [result.peak_bytes for name, result in results.items() if name.startswith(OURS)]
        return max(peaks) / 1e6 if peaks else None

    return Goal("ocibuild: peak memory in MB", PEAK_LIMIT_MB, measured)


def _size(result: Result | None) -> int | None:
    return result.output_bytes if result else None


def _one_of(peers: Sequence[str]) -> str:
    return peers[0] if len(peers) == 1 else "the fastest peer"
