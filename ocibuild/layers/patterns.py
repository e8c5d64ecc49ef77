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

    def takes(self, path: bytes) -> bool:
        """Whether `path`, in a directory that is not excluded, is asked for and not left out."""
        return self.includes(path) and not self.excludes(path)

    def includes(self, path: bytes) -> bool:
        """Whether `path` itself is asked for."""
        return self.include is None or self.include.match_file(_text(path))

    def excludes(self, path: bytes) -> bool:
        """Whether `path`, and with it all below, is left out."""
        return self.exclude is not None and self.exclude.match_file(_text(path))


def selection(include: Sequence[str], exclude: Sequence[str]) -> Selection:
    """The selection of these patterns; no `include` means everything."""
    return Selection(
        GitIgnoreSpec.from_lines(include) if include else None, GitIgnoreSpec.from_lines(exclude) if exclude else None
    )


def _text(path: bytes) -> str:
    """A path as patterns see it. Specs are UTF-8, whatever the locale is."""
    return path.decode("utf-8", "surrogateescape")
