"""HTML as text in which nothing that came from outside is markup."""

from __future__ import annotations

import json
from html import escape
from typing import Any


class Markup(str):
    """Text that is HTML already. Only `tag`, `embedded` and `together` make it, from text that is escaped."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: str | None) -> Markup:
    """An element. `content` that is no Markup is escaped; `class_` stands for `class`, `_` in other names for `-`."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{shown}>{together(*content)}</{name}>")


def together(*content: str) -> Markup:
    """Several pieces in a row."""
    return Markup("".join(piece if isinstance(piece, Markup) else escape(visible(piece)) for piece in content))


def embedded(document: Any) -> Markup:
    """`document` as JSON for the page's script. In ASCII and without `<`, `>` and `&`, so that it cannot end the element."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" class="data">{text}</script>')


def visible(text: str) -> str:
    """`text` with characters that cannot be seen, or that turn the direction of writing, spelled out."""
    return "".join(
        char if char.isprintable() or char in " \n" else char.encode("unicode_escape").decode() for char in text
    )


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]], *, label: str, numbers: tuple[int, ...] = ()) -> Markup:
    """Rows under column headings; `numbers` are the columns that are aligned at the right."""
    classes = dict.fromkeys(numbers, "number")
    head = together(*(tag("th", name, scope="col", class_=classes.get(column)) for column, name in enumerate(heads)))
    body = together(
        *(tag("tr", *(tag("td", cell, class_=classes.get(column)) for column, cell in enumerate(row))) for row in rows)
    )
    shown = tag("table", tag("caption", label, class_="hidden"), tag("thead", tag("tr", head)), tag("tbody", body))
    # Wide tables scroll by themselves, by keyboard too.
    return tag("div", shown, class_="scroll", tabindex="0", role="region", aria_label=label)
