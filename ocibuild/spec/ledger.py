"""What was found wrong so far: every complaint once, however many platforms meet it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ocibuild.errors import SpecError
from ocibuild.findings import Finding, Place, met_in

_LENGTH_LIMIT = 400
FINDINGS_LIMIT = 1000


class Ledger:
    """Collects findings while a spec is read, so that one run reports them all.

    SpecError, with those that there are, once they are more than anybody reads: a file that a program got wrong, or one that
    is meant to keep this machine busy. `spec`, where several are read, is the one that is read now.
    """

    def __init__(self) -> None:
        self._findings: dict[tuple[str, str, str], Finding] = {}
        self._specs: dict[tuple[str, str, str], dict[str, None]] = {}
        self.spec: str | None = None

    def add(self, rule: str, message: str, place: Place, hint: str | None = None) -> None:
        self.take([Finding(rule, message, place, hint)])

    def take(self, findings: Iterable[Finding]) -> None:
        for taken in findings:
            finding = replace(
                taken, message=_one_line(taken.message), hint=_one_line(taken.hint) if taken.hint else None
            )
            key = finding.rule, str(finding.place), finding.message
            self._findings.setdefault(key, finding)
            if self.spec is not None:
                self._specs.setdefault(key, {})[self.spec] = None
            if len(self._findings) >= FINDINGS_LIMIT:
                raise SpecError(f"{FINDINGS_LIMIT} findings; what else there is was not looked for", self.findings)

    def __len__(self) -> int:
        return len(self._findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """In the order they were met."""
        return tuple(met_in(finding, self._specs.get(key, ())) for key, finding in self._findings.items())


def _one_line(text: str) -> str:
    # Values of a spec are quoted in messages, and may hold line ends, terminal sequences or a megabyte.
    cut = text if len(text) <= _LENGTH_LIMIT else text[:_LENGTH_LIMIT] + "..."
    if cut.isprintable():
        return cut
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)
