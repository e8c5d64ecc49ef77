"""Uploads that nobody goes on with."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocibuild.server.framing import Body
from ocibuild.server.refusal import Refusal
from ocibuild.server.sessions import Sessions
from ocibuild.store.served_layout import ServedLayout
from tests.server.support import temporary_files

HOUR = 3600.0


@pytest.fixture
def storage(layout: Path) -> Iterator[ServedLayout]:
    storage = ServedLayout.create(layout)
    with storage.receiving():
        yield storage


def is_alive(sessions: Sessions, identifier: str) -> bool:
    try:
        with sessions.using("app", identifier):
            return True
    except Refusal as refusal:
        return refusal.status != 404


def test_an_upload_ends_after_an_hour_without_a_request(storage: ServedLayout, layout: Path) -> None:
    now = 0.0
    sessions = Sessions(storage, lambda: now)
    used, unused = sessions.begin("app", "sha256"), sessions.begin("app", "sha256")
    now = HOUR - 1
    assert is_alive(sessions, used.id)
    now = HOUR + 1
    sessions.begin("app", "sha256")
    assert (is_alive(sessions, used.id), is_alive(sessions, unused.id)) == (True, False)
    assert len(temporary_files(layout)) == 2
    sessions.close()
    assert temporary_files(layout) == []


def test_the_oldest_of_too_many_makes_room(storage: ServedLayout, layout: Path) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1
        return now

    sessions = Sessions(storage, clock)
    begun = [sessions.begin("app", "sha256").id for _ in range(300)]
    assert len(temporary_files(layout)) == 256
    assert [is_alive(sessions, identifier) for identifier in begun] == [False] * 44 + [True] * 256
    sessions.close()


def test_an_upload_that_is_being_written_to_is_not_given_up(storage: ServedLayout) -> None:
    now = 0.0
    sessions = Sessions(storage, lambda: now)
    with sessions.using("app", sessions.begin("app", "sha256").id) as session:
        now = 2 * HOUR
        sessions.begin("app", "sha256")
        session.append(Body(io.BytesIO(b"late"), 4))
    assert session.size == 4
    sessions.close()
