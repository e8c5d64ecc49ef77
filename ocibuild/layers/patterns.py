"""`include` and `exclude`: patterns with the semantics of gitignore, relative to the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec


@dataclass(frozen=True, slots=True)
class Selection:
    """Which paths of a source are wanted. Paths use `/`; those of directories end in one."""

    include: GitIgnoreSpec | None
    exclude: GitIgnoreSpec | None

    @property
    def takes_everything(self) -> bool:
        return self.include is None and self.exclude is None

    def includes(self, path: str) -> bool:
        """Whether `path` itself is asked for."""
        return self.include is None or self.include.match_file(path)

    def excludes(self, path: str) -> bool:
        """Whether `path`, and with it all below, is left out."""
        return self.exclude is not None and self.exclude.match_file(path)


def selection(include: Sequence[str], exclude: Sequence[str]) -> Selection:
    """The selection of these patterns; no `include` means everything."""
    return Selection(
        GitIgnoreSpec.from_lines(include) if include else None, GitIgnoreSpec.from_lines(exclude) if exclude else None
    )
