"""For people: place, message and rule; the source line with a caret; how to mend it."""

from __future__ import annotations

from collections.abc import Sequence

from ocibuild.cli.formats import Waived
from ocibuild.cli.messages import finding_lines
from ocibuild.findings import Finding


def render(findings: Sequence[Finding], waived: Waived) -> str:
    """One finding after the other; nothing where there is none."""
    del waived
    return "".join(f"{line}\n" for finding in findings for line in finding_lines(finding))
