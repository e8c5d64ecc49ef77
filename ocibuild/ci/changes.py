"""What differs between a checkout and one of its revisions, for `build --changed-since`."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ocibuild.ci.program import git_bytes, git_text
from ocibuild.errors import UsageError

# No setting of the user and no attribute of a file may hide a difference, or show it under another name.
_DIFFERENT = (
    *("diff", "--name-only", "-z", "--no-renames", "--no-relative", "--no-ext-diff", "--no-textconv"),
    "--ignore-submodules=none",
)
# All that is not tracked, ignored or not; directories without any tracked file once (`dist/`).
_UNTRACKED = ("ls-files", "--others", "--directory", "-z")
_TRACKED = ("ls-files", "-v", "--stage", "-z")
_SUBMODULE = "160000"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
HISTORY = "in CI, check out with the whole history (actions/checkout: `fetch-depth: 0`; GitLab: `GIT_DEPTH: 0`)"
# ls-files(1), -v: in lower case, git was told to assume a file unchanged; S, not to look at it.
_LOOKED_AT = "H"


@dataclass(frozen=True, slots=True)
class Changes:
    """The paths of a checkout that are not known to be as in a revision: changed, added, deleted, or unknown to git.

    `paths` are relative to `top` (a real path) and sorted; a directory ends with a slash, and stands for all that is in it.
    """

    top: Path
    paths: tuple[str, ...]

    def below(self, path: Path) -> Iterator[str]:
        """What differs at `path` (empty text: all of it) and below, relative to it.

        All of it differs, too, if a link on the way was changed, and if it is outside the checkout, where git knows nothing.
        """
        real = os.path.realpath(path)
        relative = os.path.relpath(real, self.top)
        if relative.split("/")[0] == ".." or any(self._is_listed(step) for step in _steps(path)):
            yield ""
            return
        prefix = "" if relative == "." else f"{relative}/"
        for name in self.paths[bisect_left(self.paths, prefix) :]:
            if not name.startswith(prefix):
                return
            yield name.removeprefix(prefix)

    def touches(self, path: Path) -> bool:
        """Whether anything differs at `path` or below."""
        return any(True for _ in self.below(path))

    def _is_listed(self, path: str) -> bool:
        relative = os.path.relpath(path, self.top)
        return any(self._has(name) for name in (relative, f"{relative}/"))

    def _has(self, name: str) -> bool:
        at = bisect_left(self.paths, name)
        return at < len(self.paths) and self.paths[at] == name


def checkout_of(directory: Path) -> Path:
    """The top of the checkout around `directory`, as a real path. UsageError where there is none."""
    top = git_bytes(directory, "rev-parse", "--show-toplevel")
    if top is None:
        raise UsageError(
            "there is no git checkout here",
            where=str(directory),
            hint="leave --changed-since out, or build in a checkout that git accepts (`git status`)",
        )
    return Path(os.fsdecode(top.removesuffix(b"\n")))


def is_lost(top: Path, revision: str) -> bool:
    """Whether `revision` is the full name of a commit that the checkout does not have.

    A CI system says what a branch was before a push. That is nowhere any more if the push was forced, and not here if the
    checkout has too little history.
    """
    return _COMMIT.fullmatch(revision) is not None and _commit(top, revision) is None


def changes_since(top: Path, revision: str) -> Changes:
    """What differs between the checkout at `top`, as its files are now, and `revision`.

    Submodules always count as different: git does not say all that is in them. UsageError where there is no such revision.
    """
    commit = _commit(top, revision)
    if commit is None:
        raise UsageError(f"git knows no revision {revision!r} here", where=str(top), hint=HISTORY)
    different = _names(top, *_DIFFERENT, commit, "--")
    untracked = _names(top, *_UNTRACKED)
    return Changes(top, tuple(sorted({*different, *untracked, *_unknown(_names(top, *_TRACKED)), ".git/"})))


def _commit(top: Path, revision: str) -> str | None:
    is_option = revision.startswith("-")  # no name of a revision does
    return None if is_option else git_text(top, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")


def _names(top: Path, *arguments: str) -> list[str]:
    answer = git_bytes(top, *arguments)
    if answer is None:
        raise UsageError(
            f"git does not say what has changed (`git {arguments[0]}` fails)",
            where=str(top),
            hint="leave --changed-since out",
        )
    return [os.fsdecode(name) for name in answer.split(b"\0") if name]


def _unknown(entries: Iterable[str]) -> Iterator[str]:
    """Of the tracked paths, those that git says nothing of: submodules, and files that it was told not to look at."""
    for entry in entries:
        facts, _, name = entry.partition("\t")
        tag, mode, *_ = facts.split(" ")
        if mode == _SUBMODULE:
            yield f"{name}/"
        elif tag != _LOOKED_AT:
            yield name


def _steps(path: Path) -> Iterator[str]:
    """The path and all above it, each as the entry that it is in its real directory: a link is not followed."""
    path = Path(os.path.abspath(path))
    for step in (path, *path.parents):
        yield os.path.join(os.path.realpath(step.parent), step.name)
    yield from map(str, (real := Path(os.path.realpath(path)), *real.parents))
