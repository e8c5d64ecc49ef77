"""Base images and how they stand to their tags, as stdout shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable, say
from ocibuild.cli.results import print_json

_WORDS = {
    api.Standing.CURRENT: "current",
    api.Standing.FIXED: "by digest, without a tag",
    api.Standing.UNPINNED: "not pinned",
}


def show_bases(states: Sequence[api.BaseState], *, as_json: bool, **more: Any) -> None:
    """A line each, or one document with `more` in it."""
    if as_json:
        print_json({"bases": [_as_json(state) for state in states], **more})
        return
    for state in states:
        moved = state.standing is api.Standing.MOVED
        word = f"moved from {state.pinned} to {state.now}" if moved else _WORDS[state.standing]
        click.echo(printable(f"{_tagged(state)}: {word}"))


def note_no_bases(states: Sequence[api.BaseState]) -> None:
    """Say so where there is nothing to look after: an empty answer could mean that all is well."""
    if not states:
        say("note: no base image in a registry is named here")


def _tagged(state: api.BaseState) -> str:
    reference = state.reference
    return str(replace(reference, digest=None) if reference.tag else reference)


def _as_json(state: api.BaseState) -> dict[str, Any]:
    return {
        "name": _tagged(state),
        "standing": state.standing.value,
        "pinned": str(state.pinned) if state.pinned else None,
        "now": str(state.now) if state.now else None,
        "file": state.place.file,
        "line": state.place.line,
    }
