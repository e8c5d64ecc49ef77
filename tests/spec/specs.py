"""Loads specs that tests write down as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ocibuild.errors import SpecError
from ocibuild.findings import Finding
from ocibuild.plan import Attributes, FilesLayer, Item, Plan
from ocibuild.spec.load import Facts, Overrides, load_plans

NOTHING = Overrides()
HEAD = "apiVersion: ocibuild/v1\n"


def no_git(directory: Path) -> Mapping[str, str]:
    raise AssertionError("no template of this spec names git")


def facts(environ: Mapping[str, str] | None = None, git: Mapping[str, str] | None = None) -> Facts:
    return Facts(environ or {}, no_git if git is None else lambda directory: git)


def write(directory: Path, text: str, name: str = "ocibuild.yaml") -> Path:
    path = directory / name
    path.write_bytes(text.encode())
    return path


def load(directory: Path, body: str, overrides: Overrides = NOTHING, given: Facts | None = None) -> tuple[Plan, ...]:
    """The plans of a spec whose first line is left out."""
    return load_plans([write(directory, HEAD + body)], overrides, given or facts())


def plan_of(directory: Path, body: str, overrides: Overrides = NOTHING, given: Facts | None = None) -> Plan:
    """The only plan of such a spec; without layers of its own it gets a base."""
    if "base:" not in body and "layers:" not in body:
        body += "\nbase: ghcr.io/octocat/base:1\n"
    (plan,) = load(directory, body, overrides, given)
    return plan


def items_of(directory: Path, *items: str, head: str = "", layer: str = "") -> tuple[Item, ...]:
    """The items of one layer that is written as flow maps."""
    lines = "".join(f"      - {item}\n" for item in items)
    plan = plan_of(directory, f"{head}layers:\n  - name: app\n{layer}    files:\n{lines}")
    (files,) = plan.platforms[0].layers
    assert isinstance(files, FilesLayer)
    return files.items


def attributes_of(item: Item) -> Attributes:
    attributes = getattr(item, "attributes", None)
    assert isinstance(attributes, Attributes)
    return attributes


def findings_of(
    directory: Path, body: str, overrides: Overrides = NOTHING, given: Facts | None = None
) -> tuple[Finding, ...]:
    """What is wrong with such a spec."""
    with pytest.raises(SpecError) as caught:
        plan_of(directory, body, overrides, given)
    return caught.value.findings
