"""Which pages there are."""

from __future__ import annotations

from tests.cli.program import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
EXAMPLE_PAGES = tuple(sorted((ROOT / "examples").glob("*/README.md")))
