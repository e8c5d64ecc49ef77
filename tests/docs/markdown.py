"""What a page of Markdown tells its readers to do, in order: commands to type, files to write. The convention is in CONTRIBUTING.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
_MARK = re.compile(r"^\s*<!-- (needs|file): (.+?) -->\s*$")
_CELL_MARK = re.compile(r"<!-- needs: (.+?) -->")
_STATUS = re.compile(r"# ends with (\d+)\b")
_HEADING = re.compile(r"^#{1,6} (.+?)\s*$")
_LINK = re.compile(r"!?\[[^\]\[]*(?:\[[^\]]*\][^\]\[]*)*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line. `shown` is the output that stands below it, if any does; `status` what it ends with; `needs` what a test lacks."""

    line: int
    text: str
    shown: tuple[str, ...] = ()
    needs: str | None = None

    @property
    def status(self) -> int:
        found = _STATUS.search(self.text)
        return int(found[1]) if found else 0


@dataclass(frozen=True, slots=True)
class File:
    """A file that the page says to write."""

    line: int
    path: str
    text: str


@dataclass(slots=True)
class Block:
    """Lines that stand apart from the prose, from `line` on."""

    line: int
    language: str
    marks: dict[str, str]
    lines: list[str] = field(default_factory=list)


def steps(page: str) -> list[Command | File]:
    """The commands and files of a page, from top to bottom."""
    found: list[Command | File] = []
    for block in blocks(page):
        if "file" in block.marks:
            found.append(File(block.line, block.marks["file"], "\n".join([*block.lines, ""])))
        elif block.language == "console":
            found += _session(block)
        elif block.language in ("sh", "bash", "shell", "indented"):
            found += _script(block)
        elif block.language == "row":
            found += _cells(block)
    return found


def blocks(page: str) -> Iterator[Block]:
    """Fenced and indented blocks, and rows of tables that have a column `ocibuild`, with the marks that stand before them."""
    marks: dict[str, str] = {}
    block: Block | None = None
    fence, column, blank = "", None, True
    for number, line in enumerate(page.splitlines(), 1):
        if block is not None and block.language != "indented":
            if line.strip() == "```":
                yield block
                block, marks = None, {}
            else:
                block.lines.append(line.removeprefix(fence))
            continue
        if block is not None and not line.startswith("    "):
            yield block
            block, marks = None, {}
        if opened := _FENCE.match(line):
            fence, block = opened[1], Block(number, opened[2] or "text", marks)
        elif line.startswith("    ") and (block is not None or blank):
            block = block or Block(number, "indented", marks)
            block.lines.append(line[4:])
        elif mark := _MARK.match(line):
            marks = {mark[1]: mark[2]}
        elif line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:])]
            if column is None:
                column = cells.index("ocibuild") if "ocibuild" in cells else -1
            elif column >= 0 and len(cells) > column:
                yield Block(number, "row", {}, [cells[column]])
        if not line.startswith("|"):
            column = None
        elif line.strip():
            marks = {}
        blank = not line.strip() or line.startswith("<!--")
    if block is not None:
        yield block


def _session(block: Block) -> Iterator[Command]:
    """`$ ` before what is typed, its output below; a line that ends with a backslash goes on in the next."""
    current: Command | None = None
    for number, line in enumerate(block.lines, block.line + 1):
        if current is not None and not current.shown and current.text.endswith("\\"):
            current = Command(current.line, f"{current.text}\n{line}", needs=current.needs)
        elif line.startswith("$ "):
            if current is not None:
                yield current
            current = Command(number, line[2:], needs=block.marks.get("needs"))
        elif current is not None:
            current = Command(current.line, current.text, (*current.shown, line), current.needs)
    if current is not None:
        yield current


def _script(block: Block) -> Iterator[Command]:
    lines = [line for line in block.lines if line.strip() and not line.lstrip().startswith("#")]
    text = ""
    for line in lines:
        text += line
        if line.endswith("\\"):
            text += "\n"
            continue
        yield Command(block.line, text, needs=block.marks.get("needs"))
        text = ""


def _cells(block: Block) -> Iterator[Command]:
    (cell,) = block.lines
    needs = _CELL_MARK.search(cell)
    for code in re.findall(r"`([^`]+)`", cell):
        if code.startswith(("ocibuild ", "echo ")):
            yield Command(block.line, code.replace("\\|", "|"), needs=needs[1] if needs else None)


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: dict[str, int] = {}
    for line in outside_fences(page):
        if heading := _HEADING.match(line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
            if found[slug]:
                found[f"{slug}-{found[slug]}"] = 0
    return set(found)


def links(page: str) -> list[str]:
    """The targets of all links and pictures of a page."""
    prose = re.sub(r"`[^`\n]*`", "``", "\n".join(outside_fences(page)))
    return _LINK.findall(prose)


def outside_fences(page: str) -> Iterator[str]:
    inside = False
    for line in page.splitlines():
        if _FENCE.match(line) or (inside and line.strip() == "```"):
            inside = not inside
        elif not inside:
            yield line
