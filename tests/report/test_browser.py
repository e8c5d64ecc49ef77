"""The report in Chromium: it opens without a network, draws its map, and its search finds files."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from ocibuild import api
from tests.recipes.support import FACTS, Desk
from tests.report.conftest import HEAD, Browser, Page, Write
from tests.report.devtools import Tab
from tests.report.test_page import HOSTILE, LAYERS

pytestmark = pytest.mark.peer("chromium")


def names(dom: str) -> list[str]:
    """The names that the list of files shows."""
    body = dom.rpartition('aria-label="Files"')[2].partition("</table>")[0]
    cells = re.findall(r'<td class="value name">(.*?)</td>', body)
    return [re.sub("<[^>]*>", "", cell) for cell in cells]


def status(dom: str) -> str:
    found = re.search(r'<p role="status"[^>]*>(.*?)</p>', dom)
    assert found is not None
    return found[1]


def test_the_root_is_shown_first(desk: Desk, write: Write, browser: Browser) -> None:
    desk.build(HEAD + "tags: [v1]" + LAYERS)
    dom = browser.dom(write("v1"))
    assert names(dom) == ["etc/", "again", "app → /again", "link → /etc/base"]
    assert status(dom) == "4 in this directory, 7B", "a hard link has no bytes of its own"
    assert 'aria-label="open etc 4B"' in dom


def test_the_search_finds_a_file(desk: Desk, write: Write, browser: Browser) -> None:
    desk.build(HEAD + "tags: [v1]" + LAYERS)
    page = write("v1")
    assert names(browser.dom(page, "#find=ETC/b")) == ["/etc/base"]
    assert status(browser.dom(page, "#find=nothing%20here")) == "0 found"


def test_hostile_names_are_text(desk: Desk, write: Write, browser: Browser) -> None:
    desk.build(HEAD + f'tags: [v1]\nlayers: [{{name: n, files: [{{text: x, to: "/a{HOSTILE}\\u202e\\e[31m"}}]}}]')
    dom = browser.dom(write("v1"), "#find=alert")
    assert names(dom)[-1].endswith("script&gt;\\u{202e}\\u{1b}[31m")
    assert dom.count("<script") == 2


NAMES = "[...document.querySelectorAll('.browser td.name')].map((cell) => cell.textContent)"
PLACE = "document.querySelector('.path [aria-current]').textContent"
FOCUSED = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"


def tab_to(tab: Tab, what: str) -> None:
    """Press Tab until the element with this label has the focus, as somebody without a mouse does."""
    for _ in range(40):
        if tab.evaluate(FOCUSED) == what:
            return
        tab.press("Tab")
    raise AssertionError(f"{what} cannot be reached by keyboard; the last stop was {tab.evaluate(FOCUSED)!r}")


def test_directories_open_by_keyboard(desk: Desk, write: Write, browser: Browser) -> None:
    desk.build(HEAD + "tags: [v1]" + LAYERS)
    with browser.opened(write("v1")) as tab:
        tab_to(tab, "open etc 4B")
        tab.press("Enter")
        assert (tab.evaluate(PLACE), tab.evaluate(NAMES)) == ("etc", ["base"])
        assert tab.evaluate(FOCUSED) == "etc", "the focus goes with the reader"


def test_any_directory_on_the_map_opens_by_a_click(desk: Desk, write: Write, browser: Browser) -> None:
    desk.build(HEAD + "tags: [v1]\nlayers: [{files: [{text: inside, to: /outer/inner/file}]}]")
    with browser.opened(write("v1")) as tab:
        box = tab.evaluate(
            "(() => { const found = [...document.querySelectorAll('.map text')].find((text) => text.textContent === 'inner 6B');"
            " const { x, y, width, height } = found.getBoundingClientRect(); return [x + width / 2, y + height / 2]; })()"
        )
        tab.click(*box)
        assert (tab.evaluate(PLACE), tab.evaluate(NAMES)) == ("inner", ["file"])


def test_a_large_image_is_a_small_page_that_is_searched_while_one_types(browser: Browser, large_image: Page) -> None:
    assert large_image.file.stat().st_size < 5_000_000
    with browser.opened(large_image) as tab:
        tab.evaluate("document.querySelector('input[type=search]').focus()")
        tab.type("django/core/wsgi.py")
        tab.wait_for("document.querySelector('[role=status]').textContent === '1 found'")
        assert tab.evaluate(NAMES) == ["/opt/site-packages/django/core/wsgi.py"]
        tab_to(tab, "/opt/site-packages/django/core/")
        tab.press("Enter")
        assert tab.evaluate(PLACE) == "core"
    picture = browser.screenshot(large_image)
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24]) == (1100, 1400)
    assert len(picture) > 50_000, "there is something to see"


@pytest.fixture
def large_image(desk: Desk, write: Write, python_packages: Path, javascript_packages: Path) -> Page:
    """More than 800 MB in 70,000 files."""
    corpora = python_packages.parents[1]
    spec = corpora / "report.ocibuild.yaml"
    spec.write_text(
        f"apiVersion: ocibuild/v1\n{HEAD}tags: [v1]\ncompression: {{type: zstd, level: 1}}\nlayers:\n"
        f"  - {{name: python, files: [{{copy: {python_packages.relative_to(corpora)}/, to: /opt/site-packages}}]}}\n"
        f"  - {{name: javascript, files: [{{copy: {javascript_packages.relative_to(corpora)}/, to: /srv/app}}]}}\n"
    )
    api.build(api.load([spec], api.Overrides(), FACTS), desk.output("layout"), desk.places, jobs=2)
    return write("v1")
