"""Markdown as readers see it, by a renderer that is not ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from markdown_it import MarkdownIt


@dataclass(slots=True)
class Page:
    """`rows` are those of all tables, each cell as its text; `elements` the names of all HTML elements."""

    text: str = ""
    rows: list[list[str]] = field(default_factory=list)
    elements: set[str] = field(default_factory=set)


def read_markdown(text: str) -> Page:
    """The page that `text` gives, with tables as GitHub and GitLab know them."""
    page = Page()
    _Reader(page).feed(MarkdownIt("commonmark").enable("table").render(text))
    return page


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._page.elements.add(tag)
        self._in_cell = self._in_cell or tag in ("td", "th")
        if tag == "tr":
            self._page.rows.append([])
        elif tag in ("td", "th"):
            self._page.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self._page.text += data
        if self._in_cell:
            self._page.rows[-1][-1] += data
