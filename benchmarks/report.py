"""Results as tables that read well as plain text and as Markdown, and the report in docs/.

`python -m benchmarks.report RESULTS.json...` writes the report anew from saved results.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.goals import OURS, Goal, peak_memory
from benchmarks.measuring import Result, Results
from benchmarks.plot import bars, curve
from benchmarks.record import Record, load
from benchmarks.scenario import Scenario
from benchmarks.scenarios import SCENARIOS

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
# What stands outside of these is written by hand.
BEGIN, END = "<!-- results -->", "<!-- end of results -->"

_HEADER = ("", "median s", "min", "max", "CPU s", "peak MB", "size MB", "runs")


def scenario_text(scenario: Scenario, results: Results) -> str:
    """All that a scenario has to say."""
    parts = [_table([_HEADER, *map(_row, results.values())])]
    ratios = _ratios(results)
    if ratios:
        parts.append(_table(ratios))
    goals = [row for goal in (*scenario.goals, peak_memory()) if (row := _goal_row(goal, results))]
    if goals:
        parts.append(_table([("goal", "measured", "at most", ""), *goals]))
    return "\n".join(parts)


def write_report(record: Record, document: Path = DOCUMENT) -> None:
    """Put the tables between the marks of the document, and draw its plots beside it."""
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{''.join(_sections(record))}{END}{after}")
    for name, drawn in _plots(record):
        document.with_name(name).write_text(drawn)


def _sections(record: Record) -> Iterator[str]:
    for name, fact in record.facts.items():
        yield f"- {name}: {fact}\n"
    yield "\n"
    for scenario in SCENARIOS:
        if scenario.name in record.scenarios:
            yield f"### {scenario.title}\n\n{scenario_text(scenario, record.scenarios[scenario.name])}\n"


def _plots(record: Record) -> Iterator[tuple[str, str]]:
    if cold := _of_kind("cold-", record):
        yield "performance-cold.svg", bars(cold)
    if levels := _of_kind("levels-", record):
        yield "performance-levels.svg", curve(levels)


def _of_kind(prefix: str, record: Record) -> dict[str, Results]:
    """The results of the scenarios whose names begin with `prefix`, by their titles; none without results."""
    chosen = [each for each in SCENARIOS if each.name.startswith(prefix)]
    return {each.title: found for each in chosen if (found := record.scenarios.get(each.name))}


def _row(result: Result) -> Sequence[str]:
    size = result.output_bytes
    return (
        result.name,
        f"{result.median:.3f}",
        f"{result.fastest:.3f}",
        f"{result.slowest:.3f}",
        f"{result.cpu_seconds:.2f}",
        f"{result.peak_bytes / 1e6:.0f}",
        f"{size / 1e6:.1f}" if size else "",
        str(len(result.runs)),
    )


def _ratios(results: Results) -> list[Sequence[str]]:
    """The wall time of each build of ours over that of everybody else."""
    ours = [result for name, result in results.items() if name.startswith(OURS)]
    others = [result for name, result in results.items() if not name.startswith(OURS)]
    if not others:
        return []
    header = ("time over that of", *(other.name.replace("|", "to") for other in others))
    return [header, *((one.name, *(f"{one.median / other.median:.2f}" for other in others)) for one in ours)]


def _goal_row(goal: Goal, results: Results) -> Sequence[str] | None:
    measured = goal.measured(results)
    if measured is None:
        return None
    return goal.text, f"{measured:.2f}", f"{goal.limit:g}", "met" if measured <= goal.limit else "NOT MET"


def _table(rows: Sequence[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "to") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [_line(row, widths) for row in cells]
    rule = (
        "| "
        + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" if width else "-" for width in widths[1:])])
        + " |"
    )
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = row
    padded = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
    return "| " + " | ".join(padded) + " |"


if __name__ == "__main__":
    write_report(load([Path(name) for name in sys.argv[1:]]))
