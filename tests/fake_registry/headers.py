"""Header fields as an ordered multi-map: names compare without case, spelling and order are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of one message; every change gives a new value."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> Headers:
        return cls(tuple(fields.items() if isinstance(fields, Mapping) else fields))

    def all(self, name: str) -> list[str]:
        """Every value of the field, in order."""
        return [value for key, value in self.pairs if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The first value of the field."""
        return next(iter(self.all(name)), None)

    def add(self, name: str, value: str) -> Headers:
        return Headers((*self.pairs, (name, value)))

    def set(self, name: str, value: str) -> Headers:
        return self.without(name).add(name, value)

    def without(self, *names: str) -> Headers:
        gone = {name.lower() for name in names}
        return Headers(tuple(pair for pair in self.pairs if pair[0].lower() not in gone))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)
