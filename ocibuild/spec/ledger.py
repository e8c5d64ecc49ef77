"""What was found wrong so far: every complaint once, however many platforms meet it."""

from __future__ import annotations

from collections.abc import Iterable

from ocibuild.findings import Finding, Place


class Ledger:
    """Collects findings while a spec is read, so that one run reports them all."""

    def __init__(self) -> None:
        self._findings: dict[tuple[str, str, str], Finding] = {}

    def add(self, rule: str, message: str, place: Place, hint: str | None = None) -> None:
        self.take([Finding(rule, message, place, hint)])

    def take(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._findings.setdefault((finding.rule, str(finding.place), finding.message), finding)

    def __len__(self) -> int:
        return len(self._findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """In the order they were met."""
        return tuple(self._findings.values())
