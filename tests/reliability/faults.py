"""Lets every file operation of a command fail in turn, and says what was wrong with how that was taken.

    python -m tests.reliability.faults

A fault ends the run with exit code 3 and the name of the file; or it does nothing, where the run can do without: the cache,
and tidying up. What was there before stays as it was, and the next run succeeds and tidies up.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.mortal import Job, Mortal, Operation, Run
from tests.reliability.projects import write_project
from tests.reliability.promises import check_nothing_lost, check_tidy, holdings

FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES)
_BUILD = ("build", "-q", "-j", "1", "--platform", "linux/amd64", "--cache-dir", "cache", "-o")
_COPY = ("copy", "-q", "-j", "1", "oci:source:1")
# What is done, by the output that it ends in.
WAYS: dict[str, tuple[str, ...]] = {
    "build oci": (*_BUILD, "oci:out"),
    "build oci-archive": (*_BUILD, "oci-archive:out.tar"),
    "build docker-archive": (*_BUILD, "docker-archive:out.tar"),
    "copy oci": (*_COPY, "oci:out"),
    "copy oci-archive": (*_COPY, "oci-archive:out.tar"),
}
# A working directory, and what is in it, as they are removed level by level.
_TIDIED = re.compile(r"\.ocibuild-work-\w+|layout|blobs|sha256|lock")


@dataclass(frozen=True, slots=True)
class Trial:
    """One operation that failed, and what came of it."""

    project: Path
    operation: Operation
    errno: int
    run: Run

    @property
    def complaint(self) -> str | None:
        """What was wrong; None where the fault was taken as it should be."""
        if self.run.status not in self._allowed():
            return self._because(f"ended with {self.run.status}")
        if "Traceback" in self.run.stderr or "internal error" in self.run.stderr:
            return self._because("was no message for people")
        if self.run.status == 3 and not self._is_named():
            return self._because("did not say where")
        return None

    def _is_named(self) -> bool:
        """Whether the message has a file of the operation, its directory, or what it was to become there."""
        # Nobody but us has heard of working directories: what cannot be made in them is said of where they are.
        files = [self.project / re.sub(r"^\.ocibuild-work-\w+/lock$", "lock", path) for path in self.operation.paths]
        if any(name in self.run.stderr for name in (*map(str, files), *self.operation.paths) if name != "."):
            return True
        places = [self.project / line[6:] for line in self.run.stderr.splitlines() if line.startswith("  at: ")]
        return any({file, file.parent} & {place, place.parent} for place in places for file in files)

    def _because(self, reason: str) -> str:
        return f"{errno.errorcode[self.errno]} at {self.operation} {reason}\n{self.run.stderr}"

    def _allowed(self) -> set[int]:
        """The exit codes that are right."""
        event, paths = self.operation
        if any("cache" in Path(path).parts for path in paths):
            return {0}  # it is for speed
        if any(path == "ocibuild.yaml" for path in paths):
            return {2}  # a spec that cannot be read is a finding
        if event in ("os.remove", "os.rmdir") or all(map(_TIDIED.fullmatch, paths)):
            return {0, 3}  # what cannot be removed stays until the next run
        if event in ("os.scandir", "os.mkdir") or any(path.endswith(".lock") for path in paths):
            # Looking for what others left, making what is there already, trying again; sources are listed by this too.
            return {0, 3}
        return {3}


def trials(
    mortal: Mortal, project: Path, way: str, faults: Sequence[int] = FAULTS, *, every: int = 1, shift: int = 0
) -> Iterator[Trial]:
    """A trial for each operation of the command, or for `every` so many from `shift` on, with one of `faults` in turn.

    AssertionError where what was there before is not as it was, or the next run does not do what this one should have.
    """
    state = _State(mortal, project, WAYS[way])
    for number in _distinct(state.operations)[shift::every]:
        state.restore()
        fault = faults[number % len(faults)]
        run = mortal(Job(WAYS[way], str(project), fail_at=number, errno=fault))
        if len(run.operations) < number:  # the order of threads is not always the same
            continue
        yield Trial(project, run.operations[number - 1], fault, run)
        state.check_kept()
        again = mortal(Job(WAYS[way], str(project)))
        assert again.status == 0, again
        state.check_done()


def _distinct(operations: Sequence[Operation]) -> list[int]:
    """The numbers of operations that are not the same as those before and after: of many writes to a file, the ends do."""
    around = zip((None, *operations), operations, (*operations[1:], None), strict=False)
    return [number for number, (last, this, following) in enumerate(around, 1) if not last == this == following]


class _State:
    """What each trial begins with, no cache and an earlier image in the output, and what it is to end with."""

    def __init__(self, mortal: Mortal, project: Path, way: Sequence[str]) -> None:
        self._project = project
        self._out = project / way[-1].partition(":")[2]
        for output in ("oci:source", way[-1]):
            before = mortal(Job([*_BUILD, output, "-t", "1", "--label", "a=b"], str(project)))
            assert before.status == 0, before
        _copy(self._out, project / "saved")
        self.restore()
        usual = mortal(Job(way, str(project)))
        assert usual.status == 0, usual
        self.operations = usual.operations
        self._wanted = _names(self._out)

    def restore(self) -> None:
        """Begin again."""
        shutil.rmtree(self._project / "cache", ignore_errors=True)
        shutil.rmtree(self._out) if self._out.is_dir() else self._out.unlink()
        _copy(self._project / "saved", self._out)
        self._before = _names(self._out)
        self._held = holdings(self._out) if self._out.is_dir() else None

    def check_kept(self) -> None:
        """All names are as they were, or (the fault came later) as they are to be; no blob is gone."""
        assert _names(self._out) in (self._before, self._wanted)
        if self._held:
            check_nothing_lost(self._held, self._out)

    def check_done(self) -> None:
        """The output is as it is to be, and nothing lies about."""
        assert _names(self._out) == self._wanted
        check_tidy(self._project)
        if self._held:
            check_nothing_lost(self._held, self._out)


def _names(out: Path) -> bytes:
    return (out / "index.json" if out.is_dir() else out).read_bytes()


def _copy(source: Path, destination: Path) -> None:
    (shutil.copytree if source.is_dir() else shutil.copy2)(source, destination)


def main() -> None:
    """The long run: every fault at every operation."""
    tried: Counter[str] = Counter()
    since = time.monotonic()
    with Mortal() as mortal, tempfile.TemporaryDirectory(prefix="faults-") as directory:
        for way in WAYS:
            project = write_project(Path(directory, way))
            for fault in FAULTS:
                shutil.rmtree(project)
                for trial in trials(mortal, write_project(project), way, [fault]):
                    tried[f"{way} {errno.errorcode[fault]}: exit code {trial.run.status}"] += 1
                    if trial.complaint:
                        tried["complaints"] += 1
                        print(trial.complaint, flush=True)
    figures = {"seconds": round(time.monotonic() - since), "faults": tried.total() - tried["complaints"], **tried}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
