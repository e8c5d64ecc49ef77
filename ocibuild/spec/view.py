"""A value of a rendered document together with its place: what the readers of each part of a spec work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ocibuild.errors import OcibuildError
from ocibuild.plan import Origin
from ocibuild.spec.document import Document
from ocibuild.spec.nodes import Path
from ocibuild.spec.values import Value

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class View:
    """The value at `path`. The schema has judged it: its shape is right, and what was wrong is gone."""

    document: Document
    value: Value
    path: Path = ()

    def get(self, key: str) -> View | None:
        """What is under `key`; None if nothing is, or nothing usable."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return None if value is None else View(self.document, value, (*self.path, key))

    def entries(self, key: str | None = None) -> Iterator[tuple[str, View]]:
        """The entries of this map, or of the map under `key`."""
        view = self if key is None else self.get(key)
        if view is not None and isinstance(view.value, dict):
            for name in view.value:
                entry = view.get(name)
                if entry is not None:
                    yield name, entry

    def items(self, key: str | None = None) -> Iterator[View]:
        """The items of this list, or of the list under `key`."""
        view = self if key is None else self.get(key)
        if view is not None and isinstance(view.value, list):
            for index, value in enumerate(view.value):
                if value is not None:
                    yield View(self.document, value, (*view.path, index))

    @property
    def text(self) -> str:
        return str(self.value)

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    @property
    def origin(self) -> Origin:
        return self.document.origin(self.path)

    def text_of(self, key: str) -> str | None:
        """The text under `key`, None if there is none."""
        view = self.get(key)
        return None if view is None else view.text

    def texts_of(self, key: str) -> tuple[str, ...] | None:
        """The texts of the list under `key`, None if there is none."""
        return None if self.get(key) is None else tuple(view.text for view in self.items(key))

    def refuse(self, rule: str, message: str, hint: str | None = None, *, at_key: bool = False) -> None:
        """Enters a complaint about this value."""
        place = self.document.key_place(self.path) if at_key else self.document.place(self.path)
        self.document.ledger.add(rule, message, place, hint)

    def parse(self, parser: Callable[[str], Parsed], rule: str = "spec-bad-value") -> Parsed | None:
        """What `parser` makes of the text; None, with a complaint of its words, if it raises."""
        try:
            return parser(self.text)
        except OcibuildError as error:
            self.refuse(rule, error.what, error.hint)
            return None

    def parse_of(self, key: str, parser: Callable[[str], Parsed], rule: str = "spec-bad-value") -> Parsed | None:
        """`parse` on the text under `key`, None if there is none."""
        view = self.get(key)
        return None if view is None else view.parse(parser, rule)
