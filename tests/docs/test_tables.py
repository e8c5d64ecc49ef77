"""Tables show as they were meant: each row has as many cells as its head. (A `|` in a cell, in code too, is written `\\|`.)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import ROOT
from tests.docs.markdown import outside_fences
from tests.docs.pages import EXAMPLE_PAGES, PAGES


def tables(page: str) -> Iterator[list[str]]:
    rows: list[str] = []
    for line in [*outside_fences(page), ""]:
        if line.startswith("|"):
            rows.append(line)
        elif rows:
            yield rows
            rows = []


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLE_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_rows_are_as_wide_as_their_head(page: Path) -> None:
    for head, rule, *rows in tables(page.read_text("utf-8")):
        assert re.fullmatch(r"\|( -+:? \|)+", rule), f"no head: {head}"
        assert [row for row in (rule, *rows) if width(row) != width(head)] == []


def width(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row))
