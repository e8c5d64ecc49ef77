"""What every error owes to the terminal it is shown on."""

from __future__ import annotations

from ocibuild.errors import OcibuildError


def check(error: OcibuildError) -> None:
    """Each part stands on one line of bounded length, without control characters."""
    for part in (error.what, error.where, error.hint):
        assert part is None or (part and part.isprintable()), part
        assert len(part or "") < 600
