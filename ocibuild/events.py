"""Progress as values: the library emits them, the command line draws them.

A task is one thing with a beginning and an end that a user would watch: a layer built, a blob sent, a manifest put.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What kind of work a task is."""

    BUILD = "build"
    FETCH = "fetch"
    SEND = "send"
    MANIFEST = "manifest"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Started:
    """A task begins. `task` is unique in one run; `total` is in bytes where it is known."""

    task: str
    stage: Stage
    subject: str
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Advanced:
    """`amount` more bytes of a task are done. A negative amount takes back what a retry has to do again."""

    task: str
    amount: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A task is over. `outcome` is one word (`built`, `cached`, `exists`, `mounted`, `sent`, `fetched`, `failed` ...)."""

    task: str
    outcome: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """A sentence for the user. `warning` marks one that asks for attention."""

    message: str
    warning: bool = False


Event = Started | Advanced | Finished | Noted
Emit = Callable[[Event], None]


def silent(event: Event) -> None:
    """An `Emit` that nobody listens to."""
