"""How many requests run at once."""

from __future__ import annotations

import threading

from ocibuild.registry.limiter import Lane, Limiter


def test_no_more_than_the_limit_run_in_a_lane() -> None:
    limiter = Limiter(2)
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2, timeout=10)

    def work() -> None:
        nonlocal running, most
        with limiter.slot(Lane.WRITE):
            with lock:
                running += 1
                most = max(most, running)
            both.wait()
            with lock:
                running -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == 2


def test_lanes_do_not_wait_for_each_other() -> None:
    limiter = Limiter(1)
    with limiter.slot(Lane.WRITE), limiter.slot(Lane.READ), limiter.slot(Lane.SMALL):
        pass


def test_throttling_halves_the_limit_and_success_brings_it_back() -> None:
    limiter = Limiter(8)
    seen = []
    for _ in range(5):
        limiter.throttled()
        seen.append(limiter.limit)
    assert seen == [4, 2, 1, 1, 1]
    for _ in range(16 * 7):
        limiter.succeeded()
    assert limiter.limit == 8
    for _ in range(100):
        limiter.succeeded()
    assert limiter.limit == 8


def test_a_waiting_thread_goes_on_when_the_limit_grows() -> None:
    limiter = Limiter(2)
    limiter.throttled()
    limiter.acquire(Lane.READ)
    entered = threading.Event()

    def wait() -> None:
        limiter.acquire(Lane.READ)
        entered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    for _ in range(16):
        limiter.succeeded()
    assert entered.wait(10)
    thread.join(10)
