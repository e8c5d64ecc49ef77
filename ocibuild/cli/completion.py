"""Completion of command lines by the shell, which calls the program with _OCIBUILD_COMPLETE to ask what could follow."""

from __future__ import annotations

import os

import click

from ocibuild.errors import OcibuildError

VARIABLE = "_OCIBUILD_COMPLETE"


def answer(command: click.Command) -> int | None:
    """Answer the shell's question, and give the exit code; None if no shell asks."""
    question = os.environ.get(VARIABLE)
    if question is None:
        return None
    from click.shell_completion import shell_complete

    try:
        return shell_complete(command, {}, "ocibuild", VARIABLE, question)
    except (
        OcibuildError
    ):  # the line holds a command that does not exist; nothing can follow, and nobody reads messages now
        return 1
