"""The benchmarks' own bookkeeping: a program that fails ends nobody else's run, and figures survive being saved."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.goals import wall
from benchmarks.measuring import Contender, race
from benchmarks.record import Record, load, save
from benchmarks.report import BEGIN, END, write_report


def program(name: str, text: str) -> Contender:
    return Contender(name, lambda _: (sys.executable, "-I", "-S", "-c", text))


def test_one_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    contenders = [
        program("ocibuild", "pass"),
        program("broken", "raise SystemExit('no such option')"),
        program("peer", "pass"),
    ]
    missing = Contender("missing", lambda _: ("no-such-program",))
    told: list[str] = []
    done = race([*contenders, missing], 2, tmp_path, told.append)
    assert {name: len(result.runs) for name, result in done.results.items()} == {"ocibuild": 2, "peer": 2}
    assert set(done.failures) == {"broken", "missing"}
    assert "no such option" in done.failures["broken"]
    assert len(told) == 6
    assert list(tmp_path.iterdir()) == []


def test_a_goal_without_its_peer_is_left_open(tmp_path: Path) -> None:
    results = race([program("ocibuild", "pass")], 1, tmp_path, lambda _: None).results
    assert wall("ocibuild", ("umoci insert",), 0.75).measured(results) is None


def test_figures_are_saved_and_reported(tmp_path: Path) -> None:
    results = race(
        [program("ocibuild gzip", "pass"), program("umoci insert", "pass")], 1, tmp_path, lambda _: None
    ).results
    record = Record({"processor": "2 x some"}, {"cold-python": results, "changed": {}})
    save(record, tmp_path / "figures.json")
    assert load([tmp_path / "figures.json"]) == record
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n{BEGIN}\nOF BEFORE\n{END}\nThe end.\n")
    write_report(record, page)
    text = page.read_text()
    assert "- processor: 2 x some" in text
    assert "| umoci insert" in text
    assert "OF BEFORE" not in text
    assert text.endswith(f"{END}\nThe end.\n")
    assert (tmp_path / "performance-cold.svg").read_text().startswith("<svg")
