"""What Ctrl-C and SIGTERM do: the main thread unwinds, worker threads stop at their next step, and it never takes long."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from ocibuild.events import Emit, Event

GRACE = 2.0  # seconds, enough for what works: CI systems kill what has not ended 7.5 s after they asked
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Run:
    """One run of the command line: whether it is to stop, and what `ocibuild` itself was told."""

    stop: threading.Event
    debug: bool = False


class Terminated(BaseException):
    """SIGTERM: raised in the main thread as KeyboardInterrupt is, so that temporary files go on the way out."""


class Stopped(BaseException):
    """Raised in a worker thread that is to stop."""


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Until the context ends, SIGINT raises KeyboardInterrupt and SIGTERM Terminated; both set the event that is given.

    A second signal ends the process at once, and so does a first one after GRACE seconds: a worker may sit in a system
    call that nothing wakes. Only the main thread may handle signals; in another one this changes nothing.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    # What is ignored stays ignored: nohup, and jobs that a script runs in the background.
    numbers = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        stop.set()
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    with ExitStack() as stack:
        stack.enter_context(_watching(stop))
        for number in numbers:
            stack.callback(signal.signal, number, signal.signal(number, handle))
        yield stop


@contextmanager
def _watching(stop: threading.Event) -> Iterator[None]:
    """Until the context ends, a thread sets `stop` when a signal comes, and ends the process GRACE seconds later.

    Python runs handlers in the main thread alone: one that is just about to wait for a worker hears of the signal only when
    the worker is done. The wake-up descriptor is written to at once.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(reader, stop, over), name="signals", daemon=True)
    thread.start()
    former = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        over.set()
        os.close(writer)
        thread.join()
        os.close(reader)


def _watch(reader: int, stop: threading.Event, over: threading.Event) -> None:
    while number := os.read(reader, 1):
        if number[0] in _SIGNALS:
            stop.set()
            if not over.wait(GRACE):
                _leave(128 + number[0])


def stopping(emit: Emit, stop: threading.Event) -> Emit:
    """`emit`, which ends the worker thread that calls it once `stop` is set. The main thread unwinds by itself."""

    def guarded(event: Event) -> None:
        if stop.is_set() and threading.current_thread() is not threading.main_thread():
            raise Stopped
        emit(event)

    return guarded


def _leave(code: int) -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h")  # progress bars hide the cursor
    os._exit(code)
