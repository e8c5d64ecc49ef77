"""What Ctrl-C and SIGTERM do: the main thread unwinds, worker threads stop at their next step, and it never takes long."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from ocibuild.events import Emit, Event

GRACE = 2.0  # seconds, enough for what works: CI systems kill what has not ended 7.5 s after they asked


@dataclass(slots=True)
class Run:
    """One run of the command line: whether it is to stop, and what `ocibuild` itself was told."""

    stop: threading.Event
    debug: bool = False


class Terminated(BaseException):
    """SIGTERM: raised in the main thread as KeyboardInterrupt is, so that temporary files go on the way out."""


class _Stopped(BaseException):
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
    timers: list[threading.Timer] = []

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        stop.set()
        for each in former:
            signal.signal(each, signal.SIG_DFL)
        timers.append(threading.Timer(GRACE, _leave, (128 + number,)))
        timers[0].daemon = True
        timers[0].start()
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    # What is ignored stays ignored: nohup, and jobs that a script runs in the background.
    numbers = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]
    former = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in former.items():
            signal.signal(number, handler)


def stopping(emit: Emit, stop: threading.Event) -> Emit:
    """`emit`, which ends the worker thread that calls it once `stop` is set. The main thread unwinds by itself."""

    def guarded(event: Event) -> None:
        if stop.is_set() and threading.current_thread() is not threading.main_thread():
            raise _Stopped
        emit(event)

    return guarded


def _leave(code: int) -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h")  # progress bars hide the cursor
    os._exit(code)
