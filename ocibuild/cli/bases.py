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
    """A line a base, with where it is asked for if it has moved and there are several files; or a document with `more` in it."""
    if as_json:
        print_json({"bases": [_as_json(state) for state in states], **more})
        return
    asking: dict[str, dict[str, None]] = {}
    is_of_one = len({state.place.file for state in states}) == 1
    for state in states:
        those = asking.setdefault(_line(state), {})
        if state.standing is api.Standing.MOVED and not is_of_one:
            those[str(state.place)] = None
    for line, those in asking.items():
        click.echo(printable(f"{line}, for {', '.join(those)}" if those else line))


def _line(state: api.BaseState) -> str:
    moved = state.standing is api.Standing.MOVED
    return f"{_tagged(state)}: {f'moved from {state.pinned} to {state.now}' if moved else _WORDS[state.standing]}"


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
