"""What a step of a GitHub workflow leaves behind: outputs for the steps after it, and a summary for the page of the run.

Both are files that the runner names in the environment, and reads when the step has ended.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

# GitHub leaves out a summary that is larger, all of it; the limit is per step (GitHub documentation, workflow commands).
SUMMARY_LIMIT = 1 << 20
_CUT = "\n\n_The rest is left out: a summary may have 1 MiB._\n"


def _random_delimiter() -> str:
    return f"ocibuild_{uuid.uuid4().hex}"


def put_outputs(
    values: Mapping[str, str], environ: Mapping[str, str], new_delimiter: Callable[[], str] = _random_delimiter
) -> None:
    """Give `values` to later steps as outputs. Nothing is done outside GitHub Actions."""
    path = _file("GITHUB_OUTPUT", environ)
    if path is not None:
        _append(path, "".join(_block(name, value, new_delimiter) for name, value in values.items()).encode())


def step_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that are added to; none outside GitHub Actions."""
    named = (_file(name, environ) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"))
    return tuple(path for path in named if path is not None)


def takes_summary(environ: Mapping[str, str]) -> bool:
    """Whether a summary would be shown to anybody."""
    return _file("GITHUB_STEP_SUMMARY", environ) is not None


def put_summary(markdown: str, environ: Mapping[str, str]) -> None:
    """Add to the summary of this step, cut after a whole line where it would be too large for GitHub."""
    path = _file("GITHUB_STEP_SUMMARY", environ)
    if path is None:
        return
    room = SUMMARY_LIMIT - (path.stat().st_size if path.exists() else 0) - 1
    raw = markdown.encode("utf-8", "replace")
    if len(raw) > room:
        raw = raw[: max(0, room - len(_CUT))]
        raw = raw[: raw.rfind(b"\n") + 1] + _CUT.encode()
    if len(raw) <= room:
        _append(path, raw)


def _file(name: str, environ: Mapping[str, str]) -> Path | None:
    path = environ.get(name) if environ.get("GITHUB_ACTIONS") == "true" else None
    return Path(path) if path else None


def _block(name: str, value: str, new_delimiter: Callable[[], str]) -> str:
    """An output in the form that takes any text: up to a line that is nothing but the delimiter."""
    delimiter = new_delimiter()
    while delimiter in value:
        delimiter = new_delimiter()
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"\n" + text)  # what stands there may lack the end of its last line; an empty line means nothing
