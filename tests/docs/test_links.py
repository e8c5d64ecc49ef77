"""Links between pages lead to files and headings that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import ROOT
from tests.docs.markdown import anchors, links
from tests.docs.pages import EXAMPLE_PAGES, PAGES


@pytest.mark.parametrize(
    "page", [*PAGES, *EXAMPLE_PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page: Path) -> None:
    assert [target for target in links(page.read_text("utf-8")) if not leads_somewhere(page, target)] == []


def leads_somewhere(page: Path, target: str) -> bool:
    if "://" in target or target.startswith("mailto:"):
        return True  # the network is nothing that a test may ask
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return False
    return not anchor or file.suffix != ".md" or anchor in anchors(file.read_text("utf-8"))


def test_the_index_names_every_page() -> None:
    named = {target.partition("#")[0] for target in links((ROOT / "docs/README.md").read_text("utf-8"))}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - named == {"README.md"}


def test_the_readme_names_every_example() -> None:
    named = set(links((ROOT / "README.md").read_text("utf-8")))
    assert [page.parent.name for page in EXAMPLE_PAGES if f"examples/{page.parent.name}" not in named] == []
