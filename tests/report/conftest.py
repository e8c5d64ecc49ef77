"""Fixtures: images to report on, and a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ocibuild import api
from tests.peers.programs import call, require
from tests.recipes.conftest import desk, new_desk
from tests.recipes.support import Desk
from tests.report.devtools import Tab, chromium

__all__ = ["desk", "new_desk"]

HEAD = "image: registry.example/team/app\n"


@dataclass(frozen=True, slots=True)
class Page:
    """A report that was written to a file."""

    file: Path

    @property
    def text(self) -> str:
        return self.file.read_text("utf-8")

    def data(self) -> list[dict[str, Any]]:
        """What the page's script is given, an image each."""
        return [json.loads(text) for text in re.findall(r'class="data">(.*?)</script>', self.text, re.DOTALL)]


Write = Callable[..., Page]


@pytest.fixture
def write(desk: Desk, tmp_path: Path) -> Write:
    """`write("v2", against="v1")`: the report on an image of the layout that the desk builds to."""

    def page(tag: str, *, against: str | None = None) -> Page:
        raw = api.report(
            desk.at(f"oci:layout:{tag}"), desk.places, against=desk.at(f"oci:layout:{against}") if against else None
        )
        file = tmp_path / f"{tag}.html"
        file.write_bytes(raw)
        return Page(file)

    return page


class Browser:
    """Chromium without a window, a fresh profile each time, and told not to speak to anybody."""

    def __init__(self, new_directory: Callable[[], Path]) -> None:
        self._new_directory = new_directory

    def dom(self, page: Page, fragment: str = "") -> str:
        """The document as it is once its script has run."""
        return self._run(page, "--dump-dom", fragment=fragment)

    def screenshot(self, page: Page, width: int = 1100, height: int = 1400) -> bytes:
        """A picture of its top (PNG)."""
        picture = self._new_directory() / "page.png"
        self._run(page, f"--screenshot={picture}", f"--window-size={width},{height}", "--hide-scrollbars")
        return picture.read_bytes()

    @contextmanager
    def opened(self, page: Page) -> Iterator[Tab]:
        """The page, to be used by keyboard and mouse."""
        with chromium([require("chromium"), *self._words(), "--window-size=1100,3000"], page.file.as_uri()) as tab:
            yield tab

    def _run(self, page: Page, *words: str, fragment: str = "") -> str:
        budget = "--virtual-time-budget=10000"
        return call("chromium", *self._words(), budget, *words, page.file.as_uri() + fragment, timeout=120).stdout

    def _words(self) -> tuple[str, ...]:
        return (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            # All names lead nowhere: the page must not need the network, and the browser is not to use it.
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={self._new_directory()}",
        )  # fmt: skip


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return Browser(lambda: tmp_path_factory.mktemp("chromium"))
