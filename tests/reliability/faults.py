"""Lets every file operation of a build fail in turn, and says what was wrong with how that was taken.

python -m tests.reliability.faults
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.mortal import Death, Job, Mortal
from tests.reliability.projects import write_project
from tests.reliability.promises import Holdings, check_nothing_lost, holdings, leftovers

FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES)
OUTPUTS = ("oci:out", "oci-archive:out.tar", "docker-archive:out.tar")


@dataclass(frozen=True, slots=True)
class Trial:
    """One operation that failed, and what came of it."""

    operation: str
    errno: int
    death: Death
    temporary: tuple[str, ...]
    """What was left behind."""

    def complaint(self) -> str | None:
        """What was wrong; None where the fault was taken as it should be."""
        said = self.death.stderr
        allowed = (0, 3) if "ocibuild.yaml" not in self.operation else (2,)  # a spec that cannot be read is a finding
        if self.death.status not in allowed:
            return self._because("ended with another exit code")
        if "Traceback" in said or "internal error" in said:
            return self._because("was no message for people")
        if self.death.status == 3 and "  at: " not in said and "/" not in said:
            return self._because("did not say where")
        # What could not be removed stays, and goes a day later; that is no reason to fail.
        is_removal = self.operation.startswith(("os.remove", "os.rmdir"))
        if self.temporary and self.death.status != 0 and not is_removal:
            return self._because(f"left {self.temporary}")
        return None

    def _because(self, reason: str) -> str:
        fault = errno.errorcode[self.errno]
        return f"{fault} at {self.operation!r} {reason}: {self.death.status}\n{self.death.stderr}"


def trials(
    mortal: Mortal, project: Path, output: str, *, every: int = 1, shift: int = 0, faults: tuple[int, ...] = FAULTS
) -> Iterator[Trial]:
    """One trial for each operation of a build into `output`, or for `every` so many, with one of the faults in turn.

    AssertionError where anything that was there before is lost, or the next run does not give the same digest.
    """
    arguments = ["build", "-q", "-j", "1", "--platform", "linux/amd64", "-o", output, "--cache-dir", "cache"]
    out = project / output.partition(":")[2]
    first = mortal(Job([*arguments, "-t", "before"], str(project)))
    _restore(project, out)
    usual = mortal(Job(arguments, str(project)))
    assert (first.status, usual.status) == (0, 0), (first, usual)
    wanted = _held(out)
    for number in _distinct(usual.operations)[shift % every :: every]:
        _restore(project, out)
        before = _held(out)
        fault = faults[number % len(faults)]
        death = mortal(Job(arguments, str(project), fail_at=number, errno=fault))
        if len(death.operations) < number:  # the order of threads is not always the same
            continue
        yield Trial(death.operations[number - 1], fault, death, tuple(leftovers(project)))
        _check_kept(before, wanted, out)
        again = mortal(Job(arguments, str(project)))
        assert again.status == 0, again
        assert again.digest == usual.digest
        assert _held(out) == wanted


def _distinct(operations: Sequence[str]) -> list[int]:
    """The numbers of operations that are not the same as those before and after: of many writes to a file, the ends do."""
    around = zip(("", *operations), operations, (*operations[1:], ""), strict=False)
    return [number for number, (last, this, following) in enumerate(around, 1) if not last == this == following]


def _restore(project: Path, out: Path) -> None:
    """The state that each trial begins in: no cache, and the first build in the output."""
    shutil.rmtree(project / "cache", ignore_errors=True)
    for left in project.glob(".ocibuild-work-*"):
        shutil.rmtree(left)
    saved = project / "saved"
    if not saved.exists():
        (shutil.copytree if out.is_dir() else shutil.copy2)(out, saved)
    if out.is_dir():
        shutil.rmtree(out)
        shutil.copytree(saved, out)
    else:
        shutil.copy2(saved, out)


def _held(out: Path) -> Holdings | bytes:
    return holdings(out) if out.is_dir() else out.read_bytes()


def _check_kept(before: Holdings | bytes, wanted: Holdings | bytes, out: Path) -> None:
    if isinstance(before, Holdings):
        check_nothing_lost(before, out)
    else:  # a fault after the new one is in its place makes it no worse
        assert out.read_bytes() in (before, wanted)


def main() -> None:
    tried: Counter[str] = Counter()
    with Mortal() as mortal, tempfile.TemporaryDirectory(prefix="faults-") as directory:
        for shift, output in enumerate(OUTPUTS):
            project = write_project(Path(directory, str(shift)))
            for fault in FAULTS:
                for trial in trials(mortal, project, output, faults=(fault,)):
                    tried[f"{output} {errno.errorcode[fault]} {trial.death.status}"] += 1
                    if complaint := trial.complaint():
                        tried["complaints"] += 1
                        print(complaint, flush=True)
                (project / "saved").unlink() if (project / "saved").is_file() else shutil.rmtree(project / "saved")
    print(json.dumps(tried, indent=2))


if __name__ == "__main__":
    main()
