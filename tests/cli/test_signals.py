"""Ctrl-C, SIGTERM and readers that go away: the right exit code, soon, and no file in the making left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ocibuild.cli import interruption
from ocibuild.cli.interruption import interruptible, stopping
from ocibuild.events import Noted
from tests.cli.program import TIMEOUT, command, environment, succeed, temporary_files, write_tree
from tests.fake_registry import BLOBS, SESSIONS, FakeRegistry, image_of, layer_of

SPEC = """\
apiVersion: ocibuild/v1
image: registry.example/team/app
tags: ["1"]
layers:
  - {name: big, files: [{copy: big, to: /big}]}
"""
SOON = 10.0  # seconds: what a busy disk may take to sync a file
SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(cwd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT)


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    """Sends the signal; the exit code, stdout and stderr of a process that obeys soon."""
    process.send_signal(number)
    since = time.monotonic()
    out, err = process.communicate(timeout=TIMEOUT)
    assert time.monotonic() - since < SOON
    assert "Traceback" not in err
    return process.returncode, out, err


def until(condition: object, process: subprocess.Popen[str]) -> None:
    """Polls until `condition()` is true, as long as the process runs."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A spec over a file that takes seconds to pack."""
    write_tree(tmp_path, {"ocibuild.yaml": SPEC})
    with (tmp_path / "big").open("wb") as file:
        file.truncate(4 << 30)
    return tmp_path


@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_build_ends_at_once_and_leaves_nothing(large: Path, number: signal.Signals, status: int, word: str) -> None:
    with running("build", "-o", "oci:out", cwd=large) as process:
        until(lambda: temporary_files(large / "out/blobs"), process)
        assert ended(process, number) == (status, "", f"{word}\n")
    assert temporary_files(large) == []
    assert succeed("ls", "--json", "oci:out", cwd=large).json["images"] == []


def test_a_build_into_an_archive_leaves_nothing_beside_it(large: Path) -> None:
    with running("build", "-o", "oci-archive:out.tar", cwd=large) as process:
        until(lambda: any(large.glob(".ocibuild-*/layout/blobs/sha256/*.tmp")), process)
        assert ended(process, signal.SIGINT) == (130, "", "interrupted\n")
    assert {path.name for path in large.iterdir()} - {".cache"} == {"big", "ocibuild.yaml"}


@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_push_that_the_registry_holds_up_ends_too(
    tmp_path: Path, fake_registry: FakeRegistry, number: signal.Signals, status: int, word: str
) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": SPEC, "big": "data"})
    succeed("build", cwd=tmp_path)
    held, release = threading.Event(), threading.Event()

    def hold(request: object, reply: object) -> object:
        held.set()
        release.wait(TIMEOUT)
        return reply

    fake_registry.quirk("PUT", SESSIONS).edit(hold)  # type: ignore[arg-type]
    try:
        with running("push", f"{fake_registry.host}/team/app:1", cwd=tmp_path) as process:
            until(held.is_set, process)
            process.send_signal(number)
            out, err = process.communicate(timeout=interruption.GRACE + 10)
            assert process.returncode == status
            assert out == ""
            assert "Traceback" not in err
    finally:
        release.set()
    assert fake_registry.tags("team/app") == {}


def test_a_pull_that_is_interrupted_leaves_no_blob_half_written(tmp_path: Path, fake_registry: FakeRegistry) -> None:
    image = image_of([layer_of({"big": os.urandom(3_000_000)})])
    fake_registry.add_image("team/app", image, "1")
    release = threading.Event()
    fake_registry.quirk("GET", BLOBS).stall_response(1_000_000, release)
    try:
        with running("pull", "-o", "oci:out", f"{fake_registry.host}/team/app:1", cwd=tmp_path) as process:
            until(lambda: any(Path(path).stat().st_size for path in temporary_files(tmp_path / "out")), process)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=interruption.GRACE + 10)
            assert process.returncode == 130
    finally:
        release.set()
    for blob in (tmp_path / "out/blobs/sha256").iterdir():
        if not blob.name.endswith(".tmp"):
            assert blob.stat().st_size < 3_000_000, "a blob that is whole would be the config"
    fake_registry.script.__init__()  # type: ignore[misc]
    succeed("pull", "-o", "oci:out", f"{fake_registry.host}/team/app:1", cwd=tmp_path)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", image_of(), *(f"tag-with-a-long-name-{number}" for number in range(5000)))
    line = f"{' '.join(command('ls', f'{fake_registry.host}/team/app'))} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )  # fmt: skip
    assert done.stdout == "tag-with-a-long-name-0\n0\n"
    assert done.stderr == ""


def test_work_goes_on_when_nobody_reads_the_progress(tmp_path: Path, fake_registry: FakeRegistry) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": SPEC, "big": "data"})
    push = command("build", "--push", "-t", f"{fake_registry.host}/team/app:1")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            push, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=writer, timeout=TIMEOUT, check=False
        )  # fmt: skip
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert "1" in fake_registry.tags("team/app")


@pytest.mark.parametrize(
    ("arguments", "closed", "status"),
    [("schema", ">&-", 0), ("digest oci:x", "2>&-", 3), ("digest oci:x", "2>/dev/full", 3)],
)
def test_a_closed_output_is_no_fault(tmp_path: Path, arguments: str, closed: str, status: int) -> None:
    line = f"{' '.join(command(*arguments.split()))} {closed}"
    done = subprocess.run(
        ["bash", "-c", line], env=environment(tmp_path), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_an_interrupted_worker_stops_at_its_next_event() -> None:
    seen: list[object] = []
    stop = threading.Event()
    emit = stopping(seen.append, stop)
    emit(Noted("before"))
    stop.set()
    ends: list[type[BaseException] | None] = []

    def work() -> None:
        try:
            emit(Noted("after"))
        except BaseException as error:
            ends.append(type(error))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert seen == [Noted("before")]
    assert ends == [interruption.Stopped]


def test_handlers_are_those_of_before_when_the_run_is_over() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with interruptible() as stop:
        assert signal.getsignal(signal.SIGTERM) is not before[0]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_main_thread_that_hears_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """As in the moment between its last look for signals and a wait for a worker: its handler runs when that is over."""
    script = """
import os, signal, threading
from ocibuild.cli import interruption

stop = threading.Event()
with interruption._watching(stop):
    os.write(signal.set_wakeup_fd(-1), bytes([signal.SIGTERM]))  # what the interpreter does, in whichever thread it is
    assert stop.wait(30)
    print("workers are told", flush=True)
    threading.Event().wait()
"""
    since = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "workers are told\n", "")
    assert time.monotonic() - since < interruption.GRACE + SOON


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"trap '' INT; {' '.join(command('--version'))}"],
        env=environment(tmp_path), capture_output=True, text=True, timeout=TIMEOUT, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("ocibuild ")
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)
