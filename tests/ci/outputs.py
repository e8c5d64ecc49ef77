"""Reads what steps leave behind as the runners of GitHub and GitLab do."""

from __future__ import annotations

import re
from pathlib import Path


def read_outputs(file: Path) -> dict[str, str]:
    """The outputs in a file of GITHUB_OUTPUT (or GITHUB_ENV), by the rules of actions/runner's FileCommandManager."""
    values: dict[str, str] = {}
    lines = iter(file.read_text("utf-8").splitlines() if file.exists() else [])
    for line in lines:
        if not line:
            continue
        name, equals, value = line.partition("=")
        if "<<" in name or not equals:
            name, mark, delimiter = line.partition("<<")
            assert all((name, mark, delimiter)), f"invalid format: {line!r}"
            block = []
            for inner in lines:
                if inner == delimiter:
                    break
                block.append(inner)
            else:
                raise AssertionError(f"no line {delimiter!r}")
            value = "\n".join(block)
        values[name] = value
    return values


def read_dotenv(file: Path) -> dict[str, str]:
    """The variables in a dotenv report, by the rules of GitLab's ParseDotenvArtifactService."""
    raw = file.read_bytes()
    assert len(raw) <= 5 * 1024
    values = {}
    for line in raw.decode().splitlines():
        match = re.fullmatch(r"(.*?)=(.*)", line)
        assert match is not None, f"invalid format: {line!r}"
        name, value = match[1].strip(), match[2].strip()
        assert re.fullmatch(r"[a-zA-Z0-9_]{1,255}", name, re.ASCII), name
        values[name] = value
    assert len(values) <= 20
    return values
