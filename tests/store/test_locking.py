from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from ocibuild.errors import StoreError
from ocibuild.events import Event, Noted, silent
from ocibuild.store.locking import exclusive

HOLDER = """
import sys
from pathlib import Path
from ocibuild.events import silent
from ocibuild.store.locking import exclusive
with exclusive(Path(sys.argv[1]), emit=silent):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(lock_file: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its stdin ends."""
    command = [sys.executable, "-c", HOLDER, str(lock_file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_who_waits_too_long_is_told_of_the_lock(tmp_path: Path) -> None:
    events: list[Event] = []
    with hold(tmp_path / "lock") as process:
        with (
            pytest.raises(StoreError) as caught,
            exclusive(tmp_path / "lock", emit=events.append, patience=0, limit=0.1),
        ):
            pytest.fail("the lock is held by another process")
        process.communicate()
    assert events == [Noted(f"waiting for another process that holds {tmp_path / 'lock'}")]
    assert caught.value.what == "another process has held the lock for 0 seconds"
    assert caught.value.where == str(tmp_path / "lock")
    assert "end that process" in str(caught.value.hint)


def test_a_lock_ends_with_the_process_that_was_killed(tmp_path: Path) -> None:
    with hold(tmp_path / "lock") as process:
        process.kill()
        process.wait()
        with exclusive(tmp_path / "lock", emit=silent, patience=5, limit=0):
            pass


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    inside: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            with exclusive(tmp_path / "lock", emit=silent):
                inside.append(number)
                assert inside == [number]
                inside.clear()

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == []


def test_a_place_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught, exclusive(tmp_path / "file" / "lock", emit=silent):
        pass
    assert caught.value.where == str(tmp_path / "file" / "lock")
