"""docs/rules.md says what the rules say."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_as_the_rules_are() -> None:
    page = runpy.run_path(str(DOCS / "make_rules.py"))["rules_page"]()
    assert (DOCS / "rules.md").read_text("utf-8") == page, "run `python docs/make_rules.py`"
